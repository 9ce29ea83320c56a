"""Small or sparse media files that claim to be enormous, to exhaust the memory, the disk or the time of a worker."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HUGE_BYTES = 2**31
MAX_ID3 = 2**28 - 1
RATE = 8000
SOUND = bytes(2 * RATE)  # a second of 16-bit mono
WAV_FORMAT = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)


@dataclass(frozen=True)
class HostileFile:
    """A file with a suffix, of which `before`, a hole of `hole` bytes and `after` are the content.

    A hole takes no space on the disk. `codes` are the failures in which a conversion may end; None means that the audio
    is converted.
    """

    name: str
    suffix: str
    before: Callable[[], bytes]
    hole: int = 0
    after: Callable[[], bytes] = bytes
    codes: tuple[str | None, ...] = (None,)

    def write(self, path: Path) -> None:
        """Write the file."""
        with path.open("wb") as file:
            file.write(self.before())
            file.seek(self.hole, os.SEEK_CUR)
            file.write(self.after())
            file.truncate()


# Matroska (RFC 9559): an element is an id, a size and data.
SEGMENT, INFO, TRACKS, CLUSTER_ID, CHAPTERS, ATTACHMENTS = (
    bytes.fromhex(text) for text in ("18538067", "1549A966", "1654AE6B", "1F43B675", "1043A770", "1941A469")
)


def _element(id_: bytes, data: bytes, size: int | None = None) -> bytes:
    return id_ + ((len(data) if size is None else size) | 1 << 56).to_bytes(8) + data


def _number(id_: str, value: int) -> bytes:
    return _element(bytes.fromhex(id_), value.to_bytes(8))


def _track(number: int) -> bytes:
    audio = _element(b"\xe1", _element(b"\xb5", struct.pack(">d", RATE)) + _number("9F", 1) + _number("6264", 16))
    kind = _number("D7", number) + _number("73C5", number) + _number("83", 2) + _element(b"\x86", b"A_PCM/INT/LIT")
    return _element(b"\xae", kind + audio)


def _matroska(*parts: bytes, duration: float = 1000.0, tracks: int = 1, size: int | None = None) -> bytes:
    """Return a file with a second of audio, if CLUSTER is one of the parts."""
    header = _element(bytes.fromhex("1A45DFA3"), _element(bytes.fromhex("4282"), b"matroska"))
    info = _element(INFO, _number("2AD7B1", 10**6) + _element(bytes.fromhex("4489"), struct.pack(">d", duration)))
    content = info + _element(TRACKS, _track(1) + _track(2) * (tracks - 1)) + b"".join(parts)
    return header + _element(SEGMENT, content, size)


CLUSTER = _element(CLUSTER_ID, _number("E7", 0) + _element(b"\xa3", b"\x81\0\0\x80" + SOUND))


def _chapters(count: int) -> bytes:
    atoms = (_element(b"\xb6", _number("73C4", number + 1) + _number("91", number)) for number in range(count))
    return _element(CHAPTERS, _element(bytes.fromhex("45B9"), b"".join(atoms)))


def _attachment(picture: bytes) -> bytes:
    name, kind = _element(bytes.fromhex("466E"), b"cover.png"), _element(bytes.fromhex("4660"), b"image/png")
    file = _element(bytes.fromhex("61A7"), name + kind + _element(bytes.fromhex("465C"), picture) + _number("46AE", 1))
    return _element(ATTACHMENTS, file)


def _png(side: int) -> bytes:
    """Return a picture of a few kilobytes that would need gigabytes when decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(2**22), 9)) + chunk(b"IEND", b"")


# RIFF: a chunk is a name, a size and data.
def _chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(data) if size is None else size) + data


def _wav(*chunks: bytes, format_: bytes = WAV_FORMAT) -> bytes:
    return b"RIFF\xff\xff\xff\xffWAVE" + _chunk(b"fmt ", format_) + b"".join(chunks)


def _slow_wav() -> bytes:
    """Return samples at one hertz: a megabyte of them is six days of audio."""
    return _wav(_chunk(b"data", os.urandom(2**20)), format_=struct.pack("<HHIIHH", 1, 1, 1, 2, 2, 16))


# MP4 (ISO/IEC 14496-12): a box is a size, a name and data.
def _box(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return struct.pack(">I", 8 + len(data) if size is None else size) + name + data


def _mp4(*more: bytes, tracks: int = 1, duration: int = RATE, repeat: int = RATE) -> bytes:
    """Return a file with a second of audio before its index, which ends in other boxes."""
    media = _box(b"ftyp", b"isomiso2") + _box(b"mdat", SOUND)
    entry = _box(b"sowt", bytes(6) + struct.pack(">H8xHHIHH", 1, 1, 16, 0, RATE, 0))
    table = [
        _box(b"stsd", bytes(4) + struct.pack(">I", 1) + entry),
        _box(b"stts", bytes(4) + struct.pack(">III", 1, repeat, 1)),
        _box(b"stsc", bytes(4) + struct.pack(">IIII", 1, 1, RATE, 1)),
        _box(b"stsz", bytes(4) + struct.pack(">II", 2, repeat)),
        _box(b"stco", bytes(4) + struct.pack(">II", 1, 16 + 8)),
    ]
    information = _box(b"minf", _box(b"smhd", bytes(8)) + _box(b"stbl", b"".join(table)))
    handler = _box(b"hdlr", bytes(8) + b"soun" + bytes(13))
    header = _box(b"mdhd", b"\1" + bytes(19) + struct.pack(">IQHH", RATE, duration, 0, 0))
    track = _box(b"trak", _box(b"mdia", header + handler + information))
    movie = _box(b"mvhd", b"\1" + bytes(19) + struct.pack(">IQ", RATE, duration) + bytes(80))
    return media + _box(b"moov", movie + track * tracks + b"".join(more))


def _before_a_tag_of_matroska() -> bytes:
    """Return a file without its audio, which ends in a tag of HUGE_BYTES whose text follows."""
    tag = _element(bytes.fromhex("4487"), b"", HUGE_BYTES)
    for id_, before in (("67C8", _element(bytes.fromhex("45A3"), b"TITLE")), ("7373", b""), ("1254C367", b"")):
        tag = _element(bytes.fromhex(id_), before + tag, len(before + tag) + HUGE_BYTES)
    return _matroska(tag, size=2 * HUGE_BYTES)


def _before_a_tag_of_mp4() -> bytes:
    """Return a file that ends in a title of HUGE_BYTES, whose text follows."""
    tag = b""
    for name in (b"\xa9nam", b"udta"):
        tag = _box(name, tag, 8 + len(tag) + HUGE_BYTES)
    file = _mp4(tag)
    at = file.index(b"moov")
    return file[: at - 4] + struct.pack(">I", len(file) - at + 4 + HUGE_BYTES) + file[at:]


def _before_a_tag_of_mp3() -> bytes:
    size = bytes(MAX_ID3 >> shift & 127 for shift in (21, 14, 7, 0))
    frame = bytes(MAX_ID3 - 10 >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\4\0\0" + size + b"TIT2" + frame + b"\0\0\3"


def _before_a_tag_of_wav() -> bytes:
    return _wav(_chunk(b"LIST", b"INFO" + _chunk(b"INAM", b"", HUGE_BYTES), HUGE_BYTES + 12))


def _mp3() -> bytes:
    return (b"\xff\xfb\x90\0" + bytes(413)) * 40


ANY = (None, "too_long", "too_complex", "not_media", "broken", "cut_off")
FILES = (
    HostileFile("a Matroska of 10^18 seconds", ".mkv", lambda: _matroska(CLUSTER, duration=1e21)),
    HostileFile("an MP4 of 10^18 samples", ".mp4", lambda: _mp4(duration=10**18)),
    HostileFile("an MP4 that repeats a sample 4 billion times", ".mp4", lambda: _mp4(repeat=2**32 - 1)),
    HostileFile("a Matroska with a million streams", ".mkv", lambda: _matroska(CLUSTER, tracks=10**6), codes=ANY),
    HostileFile("an MP4 with a million streams", ".mp4", lambda: _mp4(tracks=10**6), codes=("too_complex",)),
    HostileFile("a Matroska with 100,000 chapters", ".mkv", lambda: _matroska(_chapters(10**5), CLUSTER), codes=ANY),
    HostileFile("a Matroska with a tag of 2 GB", ".mkv", _before_a_tag_of_matroska, HUGE_BYTES, lambda: CLUSTER, ANY),
    HostileFile("an MP4 with a tag of 2 GB", ".mp4", _before_a_tag_of_mp4, HUGE_BYTES),
    HostileFile("a WAV with a tag of 2 GB", ".wav", _before_a_tag_of_wav, HUGE_BYTES, lambda: _chunk(b"data", SOUND)),
    HostileFile("an MP3 with a tag of 256 MB", ".mp3", _before_a_tag_of_mp3, MAX_ID3 - 11, _mp3),
    HostileFile("a cover of 65,535 pixels squared", ".mkv", lambda: _matroska(_attachment(_png(2**16 - 1)), CLUSTER)),
    HostileFile("a megabyte that is six days of audio", ".wav", _slow_wav, codes=("too_long",)),
)
SLOW_FILES = tuple(
    file for file in FILES if file.name.endswith(("of audio", "chapters", "Matroska with a tag of 2 GB"))
)
