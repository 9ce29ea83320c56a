"""The chapters of an MP4, in the two ways that players read: QuickTime's track of texts, and Nero's list.

Apple's players read only the track. Its format is described in Apple's QuickTime File Format Specification, "Text
media"; Nero's box `chpl` is not standardized.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise

from ..probe.metadata import Chapter
from .mp4_writing import MATRIX, MAX_UINT32, Track, box, full_box, table

MAX_LISTED = 255  # chpl has a count and lengths of one byte
CHPL_VERSION = 1
TICKS_PER_SECOND = 10**7
UTF_8_TEXT = box(b"encd", struct.pack(">I", 0x100))
MAX_TITLE_BYTES = 2**16 - 1
# Without colours, box and font: the texts are not displayed by themselves.
TEXT_DESCRIPTION = box(b"text", bytes(6), struct.pack(">H", 1), bytes(44))
MEDIA_HEADER = box(
    b"gmhd", full_box(b"gmin", struct.pack(">HHHHhH", 0x40, 0x8000, 0x8000, 0x8000, 0, 0)), box(b"text", MATRIX)
)


def chapter_list(chapters: Sequence[Chapter]) -> bytes:
    """Return Nero's list of the first 255 chapters."""
    listed = chapters[:MAX_LISTED]
    titles = (_cut(chapter.title, MAX_LISTED) for chapter in listed)
    entries = (
        struct.pack(">QB", round(chapter.start * TICKS_PER_SECOND), len(title)) + title
        for chapter, title in zip(listed, titles, strict=True)
    )
    return full_box(b"chpl", bytes(4), bytes([len(listed)]), *entries, version=CHPL_VERSION)


def from_the_start(chapters: Sequence[Chapter]) -> Sequence[Chapter]:
    """Return chapters preceded by one without a title, unless they begin at 0.

    The track cannot begin later: not all players heed the edit list of a track of texts.
    """
    first = chapters[0].start if chapters else 0.0
    return [Chapter(0.0, first, ""), *chapters] if first > 0 else chapters


def chapter_texts(chapters: Sequence[Chapter]) -> list[bytes]:
    """Return the samples of the track with chapters, one for each."""
    titles = (_cut(chapter.title, MAX_TITLE_BYTES) for chapter in chapters)
    return [struct.pack(">H", len(title)) + title + UTF_8_TEXT for title in titles]


def chapter_track(chapters: Sequence[Chapter], texts: Sequence[bytes], offset: int, timescale: int) -> Track:
    """Return the track with chapters from the start, whose texts are at an offset in the file, one after another."""
    times = [round(time * timescale) for time in (*(one.start for one in chapters), chapters[-1].end)]
    durations = [min(max(0, end - start), MAX_UINT32) for start, end in pairwise(times)]
    sizes = array("I", map(len, texts))
    samples = (
        table(b"stsd", 1, TEXT_DESCRIPTION),
        table(b"stts", len(durations), b"".join(struct.pack(">II", 1, duration) for duration in durations)),
        table(b"stsc", 1, struct.pack(">III", 1, 1, 1)),
        full_box(b"stsz", struct.pack(">II", 0, len(sizes)), struct.pack(f">{len(sizes)}I", *sizes)),
    )
    offsets = [offset + start for start in accumulate(sizes[:-1], initial=0)]
    length = sum(durations)
    return Track(b"text", MEDIA_HEADER, b"".join(samples), offsets, length, length, enabled=False)


def _cut(text: str, size: int) -> bytes:
    """Return a text in UTF-8, cut at a character after at most `size` bytes."""
    return text.encode()[:size].decode(errors="ignore").encode()
