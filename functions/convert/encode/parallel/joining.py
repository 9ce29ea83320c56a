"""The joining of several encoders' frames into one stream."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

from .partition import RUN_IN, Partition


class NotJoined(Exception):
    """The parts cannot be joined: two encoders never made the same frames, or one received no sound."""


def join_frames(streams: Sequence[Iterator[bytes]], partition: Partition, samples: int) -> Iterator[bytes]:
    """Yield the frames of all blocks in order, switching from one block to the next where both have the same frames.

    `streams` has the frames of each encoder, and `samples` is the length of the sound. Raises NotJoined if there is no
    overlap.
    """
    blocks = math.ceil(samples / partition.samples / partition.block)
    tail: list[bytes] = []
    for number in range(blocks):
        stream = streams[number % partition.workers]
        run_in = list(islice(stream, RUN_IN if number else 0))
        overlap = find_overlap(tail, run_in) if number else -1
        if overlap is None:
            raise NotJoined(f"no overlap before frame {number * partition.block}")
        yield from tail[: overlap + 1]
        yield from run_in[overlap + 1 :]
        if number == blocks - 1:
            yield from stream
            return
        block = list(islice(stream, partition.block))
        yield from block[:-RUN_IN]
        tail = block[-RUN_IN:]


def find_overlap(one: Sequence[bytes], other: Sequence[bytes]) -> int | None:
    """Return the index of the last two adjacent frames that are equal in both sequences, or None."""
    same = [left == right for left, right in zip(one, other, strict=True)]
    return max((index for index, both in enumerate(pairwise(same)) if all(both)), default=None)
