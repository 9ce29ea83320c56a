"""The number of frames that an MP3's first frame declares, which FFmpeg does not check."""

from __future__ import annotations

import struct

from soundlift.common.audio.mpeg_audio import frame_length

from ..formats.mp3_frames import HEADER_BYTES, NotMp3, read_header
from .records import NotCredible, RecordReader

ID3_HEADER = struct.Struct(">3s3x4B")  # ID3v2.4.0, section 3.1: seven bits of the size in each byte
MAX_TAGS = 10
FRAME_HEADER = struct.Struct(f"{HEADER_BYTES}s")
XING = struct.Struct(">4sI8s")  # http://gabriel.mp3-tech.org/mp3infotag.html
HAS_FRAMES, HAS_BYTES = 1, 2
VBRI_OFFSET, VBRI = 32, struct.Struct(">4s6xII")
LOWEST_BITRATE = 0x10  # in the encoding of the header


def check_frame_count(source: RecordReader) -> None:
    """Raise NotCredible if an MP3 declares more frames than fit into its declared bytes, or else its actual bytes.

    A truncated MP3 still declares its original size. The frame size is calculated for the lowest bit rate. A file that
    is not an MP3, or begins with anything other than ID3 tags, declares nothing.
    """
    at = _skip_tags(source)
    (header,) = source.record(at, FRAME_HEADER) or (b"",)
    try:
        side_information = read_header(header).side_information
    except NotMp3:
        return
    frames, size = _read_xing(source, at + HEADER_BYTES + side_information) or _read_vbri(source, at) or (0, 0)
    min_frame_bytes = frame_length(bytes((header[0], header[1], header[2] & 0x0C | LOWEST_BITRATE)))
    if frames * min_frame_bytes > (size or source.size):
        raise NotCredible


def _skip_tags(source: RecordReader) -> int:
    at = 0
    for _ in range(MAX_TAGS):
        mark, *size_bytes = source.record(at, ID3_HEADER) or (b"",)
        if mark != b"ID3":
            break
        at += ID3_HEADER.size + sum((byte & 127) << 7 * place for place, byte in enumerate(reversed(size_bytes)))
    return at


def _read_xing(source: RecordReader, at: int) -> tuple[int, int] | None:
    """Return the frames and bytes that a Xing header declares, 0 for a value that it lacks."""
    mark, flags, numbers = source.record(at, XING) or (b"", 0, b"")
    if mark not in (b"Xing", b"Info"):
        return None
    declared = iter((int.from_bytes(numbers[:4]), int.from_bytes(numbers[4:])))
    frames = next(declared) if flags & HAS_FRAMES else 0
    return frames, next(declared) if flags & HAS_BYTES else 0


def _read_vbri(source: RecordReader, at: int) -> tuple[int, int] | None:
    """Return the frames and bytes that a VBRI header, Fraunhofer's, declares."""
    mark, size, frames = source.record(at + HEADER_BYTES + VBRI_OFFSET, VBRI) or (b"", 0, 0)
    return (frames, size) if mark == b"VBRI" else None
