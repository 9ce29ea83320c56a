"""The positions of each track's samples in an MP4 or MOV, from its index (ISO/IEC 14496-12, section 8)."""

from __future__ import annotations

import io
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import BinaryIO

from .mp4_boxes import MAX_INDEX_BYTES, find_boxes, find_index, read_index

MAX_BOXES = 10_000
MAX_CHUNKS = 2**18  # of all tracks; three hours with chunks of half a second have 22,000 for each track
TABLES = (b"mdia", b"minf", b"stbl")
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

    Fragmented files (section 8.8) and other formats have none. Raises ValueError if the tables contradict each other
    or are longer than the limits; errors from reading the file are passed on. Apart from the index, a table of sample
    sizes takes at most as much memory as the index, and each chunk 16 bytes.
    """
    start, end = find_index(file, size)
    if end - start > MAX_INDEX_BYTES:
        raise ValueError("the index is too large")
    index = read_index(file, start, end)
    budget = iter(range(MAX_BOXES))
    tracks: list[Chunks] = []
    for trak in find_boxes(index, 0, end - start, (b"trak",), budget):
        tracks.append(_chunks(index, *trak, budget, MAX_CHUNKS - sum(len(track.starts) for track in tracks)))
    if next(budget, None) is None:
        raise ValueError("the index has too many boxes")  # further tracks may be missing
    return tracks


def _chunks(index: io.BytesIO, start: int, end: int, budget: Iterator[int], max_chunks: int) -> Chunks:
    def content(*path: bytes) -> memoryview:
        first, last = next(find_boxes(index, start, end, path, budget), (0, 0))
        return index.getbuffer()[first:last]

    small = _numbers("I", content(*TABLES, b"stco"), max_chunks)
    starts = small or _numbers("Q", content(*TABLES, b"co64"), max_chunks)
    runs = _numbers("I", content(*TABLES, b"stsc"), len(starts), RUN_FIELDS)
    lengths = _chunk_lengths(_samples_in_chunks(runs, len(starts)), content(*TABLES, b"stsz"))
    handler, description = content(b"mdia", b"hdlr")[HANDLER], content(*TABLES, b"stsd")[FORMAT]
    return Chunks(bytes(handler), bytes(description), starts, lengths)


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
    if each:
        return array("Q", (count * each for count in counts))
    sizes = iter(_numbers("I", content[4:], samples))
    return array("Q", (sum(islice(sizes, count)) for count in counts))
