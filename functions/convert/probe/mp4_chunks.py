"""The positions of each track's samples in an MP4 or MOV, from its index (ISO/IEC 14496-12, section 8)."""

from __future__ import annotations

import io
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import BinaryIO

from .mp4_boxes import MAX_INDEX_BYTES, find_boxes, find_index, read_index

MAX_BOXES = 10_000
TABLES = (b"mdia", b"minf", b"stbl")
HANDLER, FORMAT = slice(8, 12), slice(12, 16)  # in the contents of hdlr and stsd
TABLE = 8  # offset of a table, after version, flags and a count


@dataclass(frozen=True)
class Chunks:
    """The chunks of a track, which are runs of its samples: their offsets in the file, and their lengths in bytes."""

    handler: bytes
    format: bytes
    starts: Sequence[int]
    lengths: Sequence[int]


def read_chunks(file: BinaryIO, size: int) -> list[Chunks]:
    """Return the chunks of each track of a file of `size` bytes.

    Fragmented files (section 8.8) and other formats have none. Raises ValueError if the tables contradict each other;
    errors from reading the file are passed on.
    """
    start, end = find_index(file, size)
    if end - start > MAX_INDEX_BYTES:
        return []
    index = read_index(file, start, end)
    budget = iter(range(MAX_BOXES))
    return [_chunks(index, *trak, budget) for trak in find_boxes(index, 0, end - start, (b"trak",), budget)]


def _chunks(index: io.BytesIO, start: int, end: int, budget: Iterator[int]) -> Chunks:
    def content(*path: bytes) -> bytes:
        first, last = next(find_boxes(index, start, end, path, budget), (0, 0))
        return index.getvalue()[first:last]

    starts = _numbers("I", content(*TABLES, b"stco")) or _numbers("Q", content(*TABLES, b"co64"))
    counts = _samples_in_chunks(_numbers("I", content(*TABLES, b"stsc")), len(starts))
    ends = _sample_ends(content(*TABLES, b"stsz"))
    last_samples = [0, *accumulate(counts)]
    if last_samples[-1] >= len(ends):
        raise ValueError("the chunks have more samples than the track")
    lengths = [ends[last] - ends[first] for first, last in pairwise(last_samples)]
    return Chunks(content(b"mdia", b"hdlr")[HANDLER], content(*TABLES, b"stsd")[FORMAT], starts, lengths)


def _numbers(type_code: str, content: bytes) -> array[int]:
    """Return the big-endian numbers of a table."""
    table = content[TABLE:]
    numbers = array(type_code)
    numbers.frombytes(table[: len(table) // numbers.itemsize * numbers.itemsize])
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _samples_in_chunks(entries: array[int], chunks: int) -> Iterator[int]:
    """Yield the number of samples in each chunk; an entry (first chunk, samples per chunk, description) is a run."""
    firsts = [*entries[0::3], chunks + 1]
    if firsts[0] != 1 or any(first >= following for first, following in pairwise(firsts)):
        raise ValueError("the runs of chunks are not in order")
    for samples, (first, following) in zip(entries[1::3], pairwise(firsts), strict=True):
        yield from (samples for _ in range(first, following))


def _sample_ends(content: bytes) -> Sequence[int]:
    """Return the number of bytes before each sample, followed by the total."""
    each, count = (int.from_bytes(content[place : place + 4]) for place in (4, 8))
    return range(0, (count + 1) * each, each) if each else array("Q", accumulate(_numbers("I", content[4:]), initial=0))
