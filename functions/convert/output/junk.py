"""Junk packets in a stream without timestamps: bytes between frames, such as a picture.

The demuxer passes them on, and the decoder reports the same errors as for damaged frames. They differ in size: a packet
in which the demuxer found no frame is far larger than a frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

MAX_PACKETS = 200_000
JUNK_FACTOR = 3  # times the median frame size; two frames with a damaged boundary are one packet
# A line of FFmpeg's framecrc: stream, decoding time, presentation time, duration, size, and more.
PACKET = re.compile(rb" *0,[^,]{1,30},[^,]{1,30},[^,]{1,30}, *([0-9]{1,10}),.{1,200}\n")


def packet_list_args(output: Path) -> list[str]:
    """Return the arguments that write the sizes of a track's first packets to a file, without decoding them."""
    return ["-c", "copy", "-frames:a", str(MAX_PACKETS), "-f", "framecrc", "-y", str(output)]


def count_junk(file: Path, frames: int) -> int:
    """Return the number of packets in a list that are far larger than a frame; `frames` packets were decoded."""
    sizes = sorted(_sizes(file)) if file.exists() else []
    largest = JUNK_FACTOR * median(sizes[:frames] or [0])
    return sum(size > largest for size in sizes)


def _sizes(file: Path) -> Iterator[int]:
    with file.open("rb") as lines:
        for line in lines:
            if match := PACKET.fullmatch(line):
                yield int(match[1])
