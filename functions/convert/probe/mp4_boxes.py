"""The boxes of an MP4, which reveal whether its sound is copy-protected; FFmpeg does not report that."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

MAX_TOP_LEVEL_BOXES = 32  # reading each takes a request to S3; ordinary files have fewer than ten
MAX_BOXES = 1000
MAX_INDEX_BYTES = 16 * 2**20  # enough for several hours; the index is read into memory
BLOCK = 256 * 1024
FRAGMENTS = (b"moof", b"styp")  # ISO/IEC 14496-12, section 8.8: the index precedes them
SAMPLE_DESCRIPTION = (b"trak", b"mdia", b"minf", b"stbl", b"stsd")
ENTRIES_OFFSET = 8  # stsd's version and flags, and its count of entries
PROTECTED_SOUND = (b"enca", b"drms")  # ISO/IEC 14496-12, section 8.12; QuickTime


def has_protected_sound(file: BinaryIO, size: int) -> bool:
    """Return whether an MP4 or MOV of `size` bytes has an encrypted audio track."""
    start, end = find_index(file, size)
    index = read_index(file, start, min(end, start + MAX_INDEX_BYTES))
    budget = iter(range(MAX_BOXES))
    tracks = find_boxes(index, 0, len(index.getbuffer()), SAMPLE_DESCRIPTION, budget)
    entries = (read_boxes(index, start + ENTRIES_OFFSET, end, budget) for start, end in tracks)
    return any(kind in PROTECTED_SOUND for kind, _, _ in chain.from_iterable(entries))


def find_index(file: BinaryIO, size: int) -> tuple[int, int]:
    """Return the start and end of the contents of the index (moov), which are equal if there is none."""
    for kind, start, end in read_boxes(file, 0, size, iter(range(MAX_TOP_LEVEL_BOXES))):
        if kind == b"moov":
            return start, end
        if kind in FRAGMENTS:
            break
    return 0, 0


def read_index(file: BinaryIO, start: int, end: int) -> io.BytesIO:
    """Read a range of a file into memory, up to the end of the file."""
    index = io.BytesIO()
    file.seek(start)
    while (rest := end - start - index.tell()) and (block := file.read(min(BLOCK, rest))):
        index.write(block)
    return index


def find_boxes(
    file: BinaryIO, start: int, end: int, path: tuple[bytes, ...], budget: Iterator[int]
) -> Iterator[tuple[int, int]]:
    """Yield the start and end of the contents of every box at a path of box types."""
    for kind, body, stop in read_boxes(file, start, end, budget):
        if kind == path[0]:
            if len(path) == 1:
                yield body, stop
            else:
                yield from find_boxes(file, body, stop, path[1:], budget)


def read_boxes(file: BinaryIO, start: int, end: int, budget: Iterator[int]) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type of each box in a range, and the start and end of its contents (ISO/IEC 14496-12, section 4.2).

    One budget limits the whole search, otherwise a crafted file with nested boxes could make it arbitrarily long.
    """
    for _ in budget:
        if start + 8 > end:
            return
        file.seek(start)
        header = file.read(16)
        if len(header) < 8:
            return
        length, head = int.from_bytes(header[:4]), 8
        if length == 1:
            length, head = int.from_bytes(header[8:16]), 16
        stop = min(start + length, end) if length else end
        if stop < start + head:
            return
        yield header[4:8], start + head, stop
        start = stop
