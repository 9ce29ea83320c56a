"""The positions of each track's samples in an MP4 or MOV, from its index (ISO/IEC 14496-12, section 8)."""

from __future__ import annotations

import io
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import BinaryIO

from .mp4_boxes import MAX_INDEX_BYTES, find_boxes, find_index, read_boxes, read_index

MAX_BOXES = 10_000
MAX_CHUNKS = 2**18  # of all tracks; three hours with chunks of half a second have 22,000 for each track
TABLES = (b"mdia", b"minf", b"stbl")
DATA_REFERENCES = (b"mdia", b"minf", b"dinf", b"dref")
FLAGS, SELF_CONTAINED = slice(0, 4), 1  # in a data reference (section 8.7.2)
REFERENCE = slice(6, 8)  # in an entry of stsd: which data reference applies
HANDLER, FORMAT = slice(8, 12), slice(12, 16)  # in the contents of hdlr and stsd
COUNT, TABLE = slice(4, 8), 8  # in the contents of a table: its number of entries, and the offset of the first
RUN_FIELDS = 3  # first chunk, samples in each chunk, sample description


@dataclass(frozen=True)
class Chunks:
    """The chunks of a track, which are runs of its samples: their offsets in the file, and their lengths in bytes."""

    handler: bytes
    format: bytes
    starts: Sequence[int]
    lengths: Sequence[int]


def read_chunks(file: BinaryIO, size: int) -> list[Chunks]:
    """Return the chunks of each track of a file of `size` bytes.

    Fragmented files (section 8.8) and other formats have none. Raises ValueError if the tables contradict each other,
    exceed the limits or refer to another file; errors from reading the file are passed on. The memory is
    at most the index, a table of sample sizes, which is smaller, and 16 bytes for each chunk.
    """
    start, end = find_index(file, size)
    if end - start > MAX_INDEX_BYTES:
        raise ValueError("the index is too large")
    index = read_index(file, start, end)
    budget = iter(range(MAX_BOXES))
    tracks: list[Chunks] = []
    for trak in find_boxes(index, 0, end - start, (b"trak",), budget):
        max_chunks = MAX_CHUNKS - sum(len(track.starts) for track in tracks)
        tracks.append(_chunks(_Track(index, *trak, budget), max_chunks))
    if next(budget, None) is None:
        raise ValueError("the index has too many boxes")  # further tracks may be missing
    return tracks


@dataclass(frozen=True)
class _Track:
    """The boxes of a track."""

    index: io.BytesIO
    start: int
    end: int
    budget: Iterator[int]

    def content(self, *path: bytes) -> memoryview:
        """Return the contents of the first box at a path, b"" if there is none."""
        first, last = self._find(path)
        return self.index.getbuffer()[first:last]

    def entries(self, *path: bytes) -> list[memoryview]:
        """Return the contents of each box in a table of boxes."""
        first, last = self._find(path)
        count = int.from_bytes(self.index.getbuffer()[first:last][COUNT])
        boxes = islice(read_boxes(self.index, first + TABLE, last, self.budget), count)
        entries = [self.index.getbuffer()[start:end] for _, start, end in boxes]
        if len(entries) != count:
            raise ValueError("a table is too long")
        return entries

    def _find(self, path: tuple[bytes, ...]) -> tuple[int, int]:
        return next(find_boxes(self.index, self.start, self.end, path, self.budget), (0, 0))


def _chunks(track: _Track, max_chunks: int) -> Chunks:
    _check_location(track.entries(*DATA_REFERENCES), track.entries(*TABLES, b"stsd"))
    small = _numbers("I", track.content(*TABLES, b"stco"), max_chunks)
    starts = small or _numbers("Q", track.content(*TABLES, b"co64"), max_chunks)
    runs = _numbers("I", track.content(*TABLES, b"stsc"), len(starts), RUN_FIELDS)
    lengths = _chunk_lengths(_samples_in_chunks(runs, len(starts)), track.content(*TABLES, b"stsz"))
    handler, description = track.content(b"mdia", b"hdlr")[HANDLER], track.content(*TABLES, b"stsd")[FORMAT]
    return Chunks(bytes(handler), bytes(description), starts, lengths)


def _check_location(references: list[memoryview], descriptions: list[memoryview]) -> None:
    """Raise ValueError unless all samples are in this file; a QuickTime reference movie has them in other files."""
    if not all(int.from_bytes(reference[FLAGS]) & SELF_CONTAINED for reference in references):
        raise ValueError("samples are in another file")
    used = [int.from_bytes(description[REFERENCE]) for description in descriptions]
    if not used or not all(1 <= number <= len(references) for number in used):
        raise ValueError("the file that contains the samples is unknown")


def _numbers(type_code: str, content: memoryview, max_entries: int, fields: int = 1) -> array[int]:
    """Return the big-endian numbers of a table, of which each entry has a number of fields."""
    numbers = array(type_code)
    entries = int.from_bytes(content[COUNT])
    table = content[TABLE : TABLE + entries * fields * numbers.itemsize]
    if entries > max_entries or len(table) < entries * fields * numbers.itemsize:
        raise ValueError("a table is too long")
    numbers.frombytes(table)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _samples_in_chunks(runs: array[int], chunks: int) -> array[int]:
    """Return the number of samples in each chunk."""
    firsts = runs[0::RUN_FIELDS]
    firsts.append(chunks + 1)
    if firsts[0] != 1 or any(first >= following for first, following in pairwise(firsts)):
        raise ValueError("the runs of chunks are not in order")
    counts = array("I")
    for samples, (first, following) in zip(runs[1::RUN_FIELDS], pairwise(firsts), strict=True):
        counts.extend(array("I", [samples]) * (following - first))
    return counts


def _chunk_lengths(counts: array[int], content: memoryview) -> array[int]:
    """Return the length of each chunk, from the table of sample sizes, which may be one size for all samples."""
    each, samples = int.from_bytes(content[4:8]), int.from_bytes(content[8:12])
    if sum(counts) > samples:
        raise ValueError("the chunks have more samples than the track")
    if each == 1:
        raise ValueError("the size may not be in bytes")  # QuickTime writes 1 for sound with samples of any size
    if each:
        return array("Q", (count * each for count in counts))
    sizes = iter(_numbers("I", content[4:], samples))
    return array("Q", (sum(islice(sizes, count)) for count in counts))
