"""The ranges of a video that hold only pictures, and a file that is read without them.

FFmpeg skips the pictures of a local file, but reads all of an MP4 or MOV over HTTP: its buffer is then as large as the
distance between sound and pictures of the same second (ff_configure_buffers_for_index in libavformat). So FFmpeg gets
zeros in place of pictures, which are not read from the media store. A conversion of a large video then reads a few per
cent of it (`make bench ONLY=convert-4k-s3`). Formats other than MP4 and MOV have no such index.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from typing import BinaryIO

from ..probe.mp4_chunks import Chunks, read_chunks

MIN_RANGE_BYTES = 2**20  # a shorter range is read faster than skipped, which takes another request
EXAMINED_BYTES = 8 * 2**20  # FFmpeg examines the first samples, up to 5 MB (its option -probesize)
STILL_PICTURES = (b"jpeg", b"png ")  # may be chapter images or the cover
BLOCK = 256 * 1024

Range = tuple[int, int]


def picture_ranges(file: BinaryIO, size: int) -> list[Range]:
    """Return the start and end of each range that holds only samples of the largest video track, in order.

    Errors from reading the file are passed on.
    """
    try:
        tracks = read_chunks(file, size)
    except ValueError:
        return []  # FFmpeg may still understand such an index
    videos = [track for track in tracks if track.handler == b"vide" and track.format not in STILL_PICTURES]
    pictures = max(videos, key=lambda track: sum(track.lengths), default=None)
    if pictures is None or not pictures.starts:
        return []
    examined = min(min(track.starts) for track in tracks if track.starts) + EXAMINED_BYTES
    runs = ((max(start, examined), min(end, size)) for start, end in _joined(_extents(pictures)))
    ranges = ((start, end) for start, end in runs if end - start >= MIN_RANGE_BYTES)
    return list(_apart_from(merge(*(_extents(track) for track in tracks if track is not pictures)), ranges))


def _extents(track: Chunks) -> Iterator[Range]:
    """Yield the start and end of each chunk, in order; a chunk without bytes counts as one byte."""
    for chunk in sorted(range(len(track.starts)), key=track.starts.__getitem__):
        start = track.starts[chunk]
        yield start, start + max(track.lengths[chunk], 1)


def _joined(extents: Iterable[Range]) -> Iterator[Range]:
    """Join extents that are adjacent or overlap."""
    begin = end = 0
    for start, stop in extents:
        if start > end:
            yield begin, end
            begin = start
        end = max(end, stop)
    yield begin, end


def _apart_from(others: Iterator[Range], ranges: Iterator[Range]) -> Iterator[Range]:
    """Yield the ranges that no other extent overlaps; ranges and extents are in order."""
    other, others_end = next(others, None), 0
    for start, end in ranges:
        while other and other[0] < end:
            others_end = max(others_end, other[1])
            other = next(others, None)
        if others_end <= start:
            yield start, end


class FileWithoutPictures(io.RawIOBase):
    """A file in which some ranges read as zeros, without reading the underlying file."""

    def __init__(self, file: BinaryIO, ranges: Sequence[Range]) -> None:
        self._file = file
        self._ends = [end for _, end in ranges]
        self._ranges = ranges
        self._position = 0

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a position in bytes."""
        base = self._position if whence == io.SEEK_CUR else 0
        self._position = self._file.seek(base + offset, io.SEEK_END if whence == io.SEEK_END else io.SEEK_SET)
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Read at most a block, which ends where a range begins or ends; passes on errors of the underlying file."""
        size = BLOCK if size < 0 else min(size, BLOCK)
        place = bisect_right(self._ends, self._position)
        start, end = self._ranges[place] if place < len(self._ranges) else (self._position + size, 0)
        if start <= self._position:
            data = bytes(min(size, end - self._position))
        else:
            if self._file.tell() != self._position:
                self._file.seek(self._position)
            data = self._file.read(min(size, start - self._position))
        self._position += len(data)
        return data

    def close(self) -> None:
        """Close the underlying file, too."""
        self._file.close()
        super().close()
