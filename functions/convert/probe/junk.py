"""Counts the packets of a stream without timestamps that are no frame: what is between its frames, such as a picture.

The demuxer passes such bytes on, and the decoder reports errors, as it does of damaged frames. They differ by their
size: a packet of bytes in which no frame is found is far larger than a frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

PACKETS_LOOKED_AT = 200_000
TIMES_A_FRAME = 3  # of its median size: two frames whose border is damaged are one packet
# A line of FFmpeg's framecrc: stream, time of decoding, time of presentation, duration, size, and more.
PACKET = re.compile(rb" *0,[^,]{1,30},[^,]{1,30},[^,]{1,30}, *([0-9]{1,10}),.{1,200}\n")


def listing_packets(output: Path) -> list[str]:
    """Return the arguments that list the sizes of a track's first packets in a file."""
    return ["-c", "copy", "-frames:a", str(PACKETS_LOOKED_AT), "-f", "framecrc", "-y", str(output)]


def count_junk(file: Path, frames: int) -> int:
    """Return how many of the packets in a list are far larger than a frame; as many as `frames` could be decoded."""
    sizes = sorted(_sizes(file)) if file.exists() else []
    largest = TIMES_A_FRAME * median(sizes[:frames] or [0])
    return sum(size > largest for size in sizes)


def _sizes(file: Path) -> Iterator[int]:
    with file.open("rb") as lines:
        for line in lines:
            if match := PACKET.fullmatch(line):
                yield int(match[1])
