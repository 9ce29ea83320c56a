"""An MP4 with one audio track, whose index is written anew: with the exact length, and with tags before the sound."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ..probe.metadata import Chapter
from .mp4_chapters import chapter_list, chapter_texts, chapter_track, from_the_start
from .mp4_index import Index, Layout, NoSound, NotMp4
from .mp4_writing import UNDETERMINED, Track, box, full_box, movie, table
from .output_format import Head

MEDIA_HEADER = full_box(b"smhd", bytes(4))
COPIED_TABLES = (b"stsd", b"stsc", b"stsz", b"sgpd", b"sbgp")
CHAPTER_TRACK = 2


@dataclass(frozen=True)
class Movie:
    """An MP4 with one audio track, whose times are in units of `timescale` per second.

    `times` are runs of frames of equal length: their number, and the length of each. Players skip the first `skip`
    units, and play `length` units. `tables` are the boxes that describe the frames, except their times and places;
    `offsets` are those of chunks of frames in the file.
    """

    layout: Layout
    tables: bytes
    offsets: Sequence[int]
    times: Sequence[tuple[int, int]]
    timescale: int
    skip: int
    length: int

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the movie in a file; raises NotMp4."""
        layout = Layout.of(path)
        index = Index.read(path, layout)
        try:
            timescale, times, offsets, edit = index.timescale(b"mdhd"), index.times(), index.offsets(), index.edit()
        except struct.error:
            raise NotMp4("a table in its index is too short") from None
        if not timescale or not times:
            raise NoSound("it has no frames")
        total = sum(count * each for count, each in times)
        length, skip = (edit[0], max(0, edit[1])) if edit else (total, 0)
        if timescale != index.timescale(b"mvhd"):
            length = total - skip  # the edit's is rounded
        tables = b"".join(box(kind, index.boxes[kind]) for kind in COPIED_TABLES if kind in index.boxes)
        return cls(layout, tables, offsets, times, timescale, skip, max(0, length))

    @property
    def seconds(self) -> float:
        """Return the length in seconds that players show."""
        return self.length / self.timescale

    @property
    def codec(self) -> bytes:
        """Return the type of the first entry in stsd, the first table (ISO/IEC 14496-12, section 8.5.2)."""
        return self.tables[20:24]

    @property
    def frames(self) -> int:
        """Return the number of frames."""
        return sum(count for count, _ in self.times)

    @property
    def total(self) -> int:
        """Return the length of all frames."""
        return sum(count * each for count, each in self.times)

    def with_frames(self, length: int, last: int | None = None) -> Movie:
        """Return the movie with frames of one length, and possibly a shorter last one."""
        runs = [(self.frames, length)] if last is None else [(self.frames - 1, length), (1, last)]
        return replace(self, times=[run for run in runs if run[0]])

    def with_length(self, length: int, skip: int) -> Movie:
        """Return the movie with another length and start; raises NotMp4 if the frames are too short."""
        if not 0 <= skip <= skip + length <= self.total:
            raise NotMp4(f"its frames last {self.total}, and do not contain {length} after {skip}")
        return replace(self, skip=skip, length=length)

    def write_index(self, path: Path) -> None:
        """Write the index to the end of the file, in place of the previous one."""
        with path.open("r+b") as file:
            file.seek(self.layout.index)
            file.write(movie([self._track()], self.timescale, b""))
            file.truncate()

    def head(self, tags: bytes, language: str | None, chapters: Sequence[Chapter]) -> Head:
        """Return the beginning of a file that ends with the sound: the index with tags, language and chapters."""
        shown = from_the_start(chapters)
        texts = chapter_texts(shown)
        size = sum(map(len, texts))
        user_data = box(b"udta", tags, chapter_list(chapters) if chapters else b"")

        def content(shift: int) -> bytes:
            """Return the beginning of a file in which the sound is shifted."""
            sound = replace(self._track(shift), language=language or UNDETERMINED)
            tracks = [sound]
            if chapters:
                start = self.layout.media + shift - size
                tracks = [replace(sound, chapters=CHAPTER_TRACK), chapter_track(shown, texts, start, self.timescale)]
            media = box(b"mdat", *texts) if texts else b""
            return self.layout.ftyp + movie(tracks, self.timescale, user_data) + media

        # The size depends on the shift only if that makes an offset exceed 32 bits, and grows with it.
        shift = size
        while (head := content(shift)) and len(head) != self.layout.media + shift:
            shift = len(head) - self.layout.media
        return Head(head, self.layout.media)

    def _track(self, shift: int = 0) -> Track:
        """Return the track, with its chunks shifted by a number of bytes."""
        times = table(b"stts", len(self.times), b"".join(struct.pack(">II", *run) for run in self.times))
        return Track(
            b"soun",
            MEDIA_HEADER,
            times + self.tables,
            array("Q", (offset + shift for offset in self.offsets)),
            media_length=self.total,
            length=self.length,
            skip=self.skip,
        )
