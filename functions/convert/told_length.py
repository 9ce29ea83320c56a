"""Reads how long a file would be, whole, from its own beginning: of some formats FFmpeg tells only what is left."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

FORM_TYPE = slice(8, 12)
FORM_TYPES = (b"WAVE", b"AIFF", b"AIFC")
AVI_HEADER = struct.Struct("<24x4s4xI12xI")  # RIFF's 12 bytes and LIST's, then avih: time of a picture, their number
MICROSECONDS = 1e6
CAF_HEADER_BYTES = 8
CAF_CHUNK = struct.Struct(">4sq")
CAF_DESCRIPTION = struct.Struct(">d4sIII")  # Apple Core Audio Format Specification 1.0, CAFAudioFormat
CAF_EDIT_COUNT_BYTES = 4
MOST_CHUNKS = 100
ASF_MARK = b"\x30\x26\xb2\x75"


def told_length(file: BinaryIO) -> float | None:
    """Return the seconds that an AVI, WAV, AIFF, CAF or ASF says it has, None for others and where it does not say."""
    beginning = file.read(64)
    file.seek(0)
    if beginning[FORM_TYPE] == b"AVI ":
        return _of_avi(beginning)
    if beginning[:4] == b"caff":
        return _of_caf(file)
    return _of_tagged(beginning, file)


def _of_avi(beginning: bytes) -> float | None:
    if len(beginning) < AVI_HEADER.size:
        return None
    kind, microseconds, pictures = AVI_HEADER.unpack_from(beginning)
    return microseconds * pictures / MICROSECONDS if kind == b"avih" else None


def _of_caf(file: BinaryIO) -> float | None:
    at, seconds_of_byte = CAF_HEADER_BYTES, 0.0
    for _ in range(MOST_CHUNKS):
        file.seek(at)
        header = file.read(CAF_CHUNK.size)
        if len(header) < CAF_CHUNK.size:
            return None
        kind, size = CAF_CHUNK.unpack(header)
        if kind == b"desc":
            rate, _, _, packet_bytes, packet_samples = CAF_DESCRIPTION.unpack(file.read(CAF_DESCRIPTION.size))
            seconds_of_byte = packet_samples / packet_bytes / rate if packet_bytes and rate else 0.0
        if kind == b"data":
            return max(0, size - CAF_EDIT_COUNT_BYTES) * seconds_of_byte or None
        at += CAF_CHUNK.size + max(0, size)
    return None


def _of_tagged(beginning: bytes, file: BinaryIO) -> float | None:
    if not beginning.startswith(ASF_MARK) and beginning[FORM_TYPE] not in FORM_TYPES:
        return None
    from mutagen import MutagenError
    from mutagen.aiff import AIFF
    from mutagen.asf import ASF
    from mutagen.wave import WAVE

    forms = dict(zip(FORM_TYPES, (WAVE, AIFF, AIFF), strict=True))
    kind = forms.get(beginning[FORM_TYPE], ASF)
    try:
        info: Any = kind(file).info  # type: ignore[no-untyped-call] # of mutagen's classes
        return float(info.length) or None
    except (MutagenError, ArithmeticError, ValueError, struct.error):
        return None
