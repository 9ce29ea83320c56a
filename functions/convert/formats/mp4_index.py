"""The index (moov) of an MP4 with one audio track, as FFmpeg writes it after the sound."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Self

from ..probe.mp4_boxes import read_boxes, read_index

MAX_BOXES = 100
MAX_INDEX_BYTES = 2**26  # of 16 million frames, which last more than 80 hours
CONTAINERS = (b"trak", b"edts", b"mdia", b"minf", b"stbl")
NEEDED = (b"mvhd", b"mdhd", b"stsd", b"stts", b"stsc", b"stsz")
VERSION = 0  # the offset of the version in the contents of a box
TABLE = 8  # the offset of the first entry, after the version, flags and number of entries


class NotMp4(Exception):
    """A file is not an MP4 with one audio track, or cannot have the requested length."""


class NoSound(NotMp4):
    """A file has an index, but FFmpeg has written no frames."""


@dataclass(frozen=True)
class Layout:
    """The parts of a file: the box that identifies it, and the offsets of the sound, in its box, and of the index."""

    ftyp: bytes
    media: int
    index: int
    end: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return the layout of a file whose last box is the index; raises NotMp4."""
        size = path.stat().st_size
        with path.open("rb") as file:
            boxes = list(read_boxes(file, 0, size, iter(range(MAX_BOXES))))
            starts = {kind: before[2] for before, (kind, *_) in pairwise([(b"", 0, 0), *boxes])}
            if not boxes or boxes[0][0] != b"ftyp" or boxes[-1][0] != b"moov" or b"mdat" not in starts:
                raise NotMp4("its index is not at the end")
            file.seek(0)
            ftyp = file.read(boxes[0][2])
        return cls(ftyp, starts[b"mdat"], starts[b"moov"], size)


@dataclass(frozen=True)
class Index:
    """The contents of the boxes in an index, none of which occurs twice."""

    boxes: Mapping[bytes, bytes]

    @classmethod
    def read(cls, path: Path, layout: Layout) -> Self:
        """Return the index of a file; raises NotMp4."""
        if layout.end - layout.index > MAX_INDEX_BYTES:
            raise NotMp4("its index is too large")
        with path.open("rb") as file:
            data = read_index(file, layout.index, layout.end)
        boxes = dict(_leaves(data, 8, layout.end - layout.index, iter(range(MAX_BOXES))))
        if b"stts" not in boxes:
            raise NoSound("it has no track")
        if any(len(boxes.get(kind, b"")) < TABLE for kind in NEEDED):
            raise NotMp4("its index is incomplete")
        return cls(boxes)

    def timescale(self, kind: bytes) -> int:
        """Return the units per second in mvhd or mdhd (ISO/IEC 14496-12, sections 8.2.2 and 8.4.2)."""
        content = self.boxes[kind]
        return int.from_bytes(content[20:24] if content[VERSION] else content[12:16])

    def times(self) -> list[tuple[int, int]]:
        """Return runs of frames of equal length: their number, and the length of each (section 8.6.1.2)."""
        content = self.boxes[b"stts"]
        return list(struct.iter_unpack(">II", content[TABLE : TABLE + _count(content) * 8]))

    def edit(self) -> tuple[int, int] | None:
        """Return how much is played of the media, in the movie's units, and how much is skipped before it.

        The last edit is read, because an earlier one only delays it (section 8.6.6). None means that all is played.
        """
        content = self.boxes.get(b"elst", b"")
        entry = struct.Struct(">Qq4x" if content[:1] == b"\1" else ">Ii4x")
        edits = list(entry.iter_unpack(content[TABLE : TABLE + _count(content) * entry.size]))
        return edits[-1] if edits else None

    def offsets(self) -> Sequence[int]:
        """Return the offsets of the chunks in the file (section 8.7.5)."""
        kind, code = (b"co64", "Q") if b"co64" in self.boxes else (b"stco", "I")
        content = self.boxes.get(kind, bytes(TABLE))
        size = _count(content) * array(code).itemsize
        return array(code, struct.unpack(f">{_count(content)}{code}", content[TABLE : TABLE + size]))


def _count(content: bytes) -> int:
    return int.from_bytes(content[4:TABLE])


def _leaves(index: BytesIO, start: int, end: int, budget: Iterator[int]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and contents of each box that does not consist of boxes."""
    for kind, body, stop in read_boxes(index, start, end, budget):
        if kind in CONTAINERS:
            yield from _leaves(index, body, stop, budget)
        else:
            yield kind, bytes(index.getbuffer()[body:stop])
