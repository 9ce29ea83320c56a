"""The joining of several encoders' frames into one stream."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

from .frame_contents import contents
from .partition import Partition

# The data of a frame begins in one of the two frames before it, or later: even at 112 kbit/s, two frames have more
# bytes than main_data_begin can point back.
SAME_FRAMES = 3


class NotJoined(Exception):
    """The parts cannot be joined: two encoders never produced the same sound, or one received no sound."""


def join_frames(streams: Sequence[Iterator[bytes]], partition: Partition, samples: int) -> Iterator[bytes]:
    """Yield the frames of all blocks in order, switching from one block to the next where both have the same sound.

    `streams` has the frames of each encoder, and `samples` is the length of the sound. Raises NotJoined if there is no
    overlap.
    """
    blocks = math.ceil(samples / partition.samples / partition.block)
    tail: list[bytes] = []
    for number in range(blocks):
        stream = streams[number % partition.workers]
        run_in = list(islice(stream, partition.run_in if number else 0))
        overlap = find_overlap(list(contents(tail)), list(contents(run_in))) if number else -1
        if overlap is None:
            raise NotJoined(f"no overlap before frame {number * partition.block}")
        yield from tail[: overlap + 1]
        yield from run_in[overlap + 1 :]
        if number == blocks - 1:
            yield from stream
            return
        block = list(islice(stream, partition.block))
        yield from block[: -partition.run_in]
        tail = block[-partition.run_in :]


def find_overlap(one: Sequence[object], other: Sequence[object]) -> int | None:
    """Return the index after which one sequence of contents continues the other, or None.

    It is that of the first of the last three adjacent frames with the same contents: the data of the frames after it is
    in both sequences, also where it begins in that frame or before.
    """
    same = [left == right and left is not None for left, right in zip(one, other, strict=True)]
    starts = range(len(same) - SAME_FRAMES + 1)
    return max((index for index in starts if all(same[index : index + SAME_FRAMES])), default=None)
