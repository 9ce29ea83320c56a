"""Junk packets in a stream without timestamps: bytes between frames, such as a picture.

The demuxer passes them on, and the decoder reports the same errors as for damaged frames. They differ in size: a packet
in which the demuxer found no frame is far larger than a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

JUNK_FACTOR = 3  # times the median frame size; two frames with a damaged boundary are one packet


def count_junk(sizes: Sequence[int], frames: int) -> int:
    """Return the number of packets that are far larger than a frame; `frames` of them were decoded."""
    by_size = sorted(sizes)
    largest = JUNK_FACTOR * median(by_size[:frames] or [0])
    return sum(size > largest for size in by_size)
