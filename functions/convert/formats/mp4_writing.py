"""The boxes of an MP4 with tracks that begin at the same time (ISO/IEC 14496-12, sections 8.2 to 8.7)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

MAX_UINT32 = 2**32 - 1
MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)  # neither rotated nor scaled
FULL_VOLUME = struct.pack(">H", 0x100)
NORMAL_SPEED = struct.pack(">I", 0x10000)
ENABLED, IN_MOVIE = 1, 2
SELF_CONTAINED = 1
UNDETERMINED = "und"
LETTER_BITS, BEFORE_A = 5, 0x60


def box(kind: bytes, *content: bytes) -> bytes:
    """Return a box of a type."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    """Return a box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def table(kind: bytes, entries: int, content: bytes, *, version: int = 0) -> bytes:
    """Return a box that counts its entries."""
    return full_box(kind, struct.pack(">I", entries), content, version=version)


def chunk_offsets(offsets: Sequence[int]) -> bytes:
    """Return the box with the offsets of chunks in the file, with 64 bits if necessary."""
    kind, code = (b"co64", "Q") if max(offsets, default=0) > MAX_UINT32 else (b"stco", "I")
    return table(kind, len(offsets), struct.pack(f">{len(offsets)}{code}", *offsets))


@dataclass(frozen=True)
class Track:
    """A track of a movie, all of whose times are in units of `timescale` per second.

    Players skip the first `skip` units of its media and play `length` units; `media_length` is that of all its samples.
    `handler` is its type, and `header` the box with the media header of that type. `samples` are the tables that
    describe its samples, except where they are; `offsets` are those of its chunks. `chapters` is the number of the
    track with its chapters. A track that is not `enabled` is not played by itself.
    """

    handler: bytes
    header: bytes
    samples: bytes
    offsets: Sequence[int]
    media_length: int
    length: int
    skip: int = 0
    language: str = UNDETERMINED
    chapters: int | None = None
    enabled: bool = True

    @property
    def needs_64_bits(self) -> bool:
        """Return whether a time of the track does not fit into 32 bits."""
        return max(self.media_length, self.length) > MAX_UINT32


def movie(tracks: Sequence[Track], timescale: int, user_data: bytes) -> bytes:
    """Return the index of a file (moov), which describes tracks numbered from 1; the first determines its length."""
    version = int(any(track.needs_64_bits for track in tracks))
    clock = _clock(version, timescale, tracks[0].length)
    rest = (NORMAL_SPEED, FULL_VOLUME, bytes(10), MATRIX, bytes(24), struct.pack(">I", len(tracks) + 1))
    header = full_box(b"mvhd", clock, *rest, version=version)
    traks = (_track(number, track, timescale, version) for number, track in enumerate(tracks, 1))
    return box(b"moov", header, *traks, user_data)


def _track(number: int, track: Track, timescale: int, version: int) -> bytes:
    media = box(
        b"mdia",
        full_box(
            b"mdhd",
            _clock(version, timescale, track.media_length) + _language(track.language) + bytes(2),
            version=version,
        ),
        full_box(b"hdlr", bytes(4), track.handler, bytes(13)),
        _media_information(track),
    )
    references = b"" if track.chapters is None else box(b"tref", box(b"chap", struct.pack(">I", track.chapters)))
    return box(b"trak", _track_header(number, track, version), _edit_list(track, version), references, media)


def _clock(version: int, timescale: int, duration: int) -> bytes:
    """Return the times of creation and modification, which are not given, and the duration."""
    return struct.pack(">QQIQ" if version else ">IIII", 0, 0, timescale, duration)


def _track_header(number: int, track: Track, version: int) -> bytes:
    times = struct.pack(">QQIIQ" if version else ">IIIII", 0, 0, number, 0, track.length)
    volume = FULL_VOLUME if track.enabled else bytes(2)
    rest = (bytes(8), bytes(4), volume, bytes(2), MATRIX, bytes(8))
    return full_box(b"tkhd", times, *rest, version=version, flags=IN_MOVIE | (ENABLED if track.enabled else 0))


def _edit_list(track: Track, version: int) -> bytes:
    """Return the edit that makes players skip the beginning of the media and stop after the length."""
    edit = struct.pack(">QQ" if version else ">II", track.length, track.skip) + NORMAL_SPEED
    return box(b"edts", table(b"elst", 1, edit, version=version))


def _media_information(track: Track) -> bytes:
    location = table(b"dref", 1, full_box(b"url ", flags=SELF_CONTAINED))
    samples = box(b"stbl", track.samples, chunk_offsets(track.offsets))
    return box(b"minf", track.header, box(b"dinf", location), samples)


def _language(code: str) -> bytes:
    """Return a code of three letters (ISO 639-2/T) in 15 bits."""
    first, second, third = (ord(letter) - BEFORE_A for letter in code)
    return struct.pack(">H", first << 2 * LETTER_BITS | second << LETTER_BITS | third)
