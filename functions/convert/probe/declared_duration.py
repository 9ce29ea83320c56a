"""The duration that a file's own header declares, for formats where FFmpeg only reports what the file contains.

The header is optional evidence: if it is missing or malformed, the duration is unknown. Only the headers of the first
chunks are read, at most `records.MAX_CHUNKS`, so memory does not depend on what they declare.

A truncated file declares more bytes than it has, so declaring more than the file's size is credible. A header is not
credible if a size is a placeholder, left by a writer that could not seek back; if a chunk does not fit into the chunk
around it; or if the samples do not fit into the bytes declared for them. `output.missing_sound` limits all other
headers.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import BinaryIO

from .frame_count import check_frame_count
from .records import NotCredible, RecordReader

FORM_TYPE = slice(8, 12)
BEGINNING_BYTES = 12
RIFF_HEADER, FORM_HEADER = struct.Struct("<4sI4s"), struct.Struct(">4sI4s")
RIFF_CHUNK, FORM_CHUNK, CAF_CHUNK = struct.Struct("<4sI"), struct.Struct(">4sI"), struct.Struct(">4sq")
OUTER_BYTES = 8  # of RIFF and FORM, which are not included in their size
IN_DS64 = 0xFFFFFFFF

# Placeholders of writers that cannot seek back: about 4 GiB in FFmpeg and mpg123, about 2 GiB in SoX, MPlayer and
# arecord, 0x7F000000 in SoX for AIFF. Some writers add or subtract the size of the headers.
PLACEHOLDERS = (0x7F000000, 2**31, 2**32)
HEADERS_BYTES = 2**16

WAVE_FORMAT = struct.Struct("<HHIIHH")
CONSTANT_RATE = (1, 3, 6, 7)  # PCM, float, A-law and mu-law: one sample of each channel in a block
EXTENSIBLE, SUBFORMAT_OFFSET = 0xFFFE, 24
DS64 = struct.Struct("<QQ")  # EBU Tech 3306, section 4: sizes of RIFF and data
AIFF_COMMON = struct.Struct(">hIhHQ")  # AIFF 1.3, Common Chunk: the sample rate is an 80-bit float
EXPONENT_BIAS, MANTISSA_BITS, MAX_EXPONENT = 16383, 63, 31
CAF_HEADER_BYTES = 8
CAF_DESCRIPTION = struct.Struct(">d4sIII")  # Apple Core Audio Format Specification 1.0, CAFAudioFormat
CAF_EDIT_COUNT_BYTES = 4
MIN_RATE, MAX_RATE = 1.0, 1e9  # in Hz
AVI_HEADER = struct.Struct(
    "<24x4s4xI12xI"
)  # 12 bytes each of RIFF and LIST, then avih: duration and number of pictures
MICROSECONDS = 1e6
ASF_HEADER, ASF_OBJECT = b"\x30\x26\xb2\x75", struct.Struct("<16sQ")
ASF_HEADER_BYTES = 30
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # Advanced Systems Format, section 3.2
ASF_TIMES = struct.Struct("<40xQ8xQI")  # play duration in 100 ns, preroll in ms, flags
ASF_TICKS, ASF_MILLISECONDS, ASF_BROADCAST = 10**7, 1000, 1


@dataclass(frozen=True)
class DeclaredDuration:
    """The duration in a file's own header, in seconds, None if unknown, and whether the header is credible.

    If the header is not credible, a duration that FFmpeg takes from it is not, either.
    """

    seconds: float | None = None
    credible: bool = True


UNKNOWN = DeclaredDuration()


def declared_duration(file: BinaryIO, size: int) -> DeclaredDuration:
    """Return what an AVI, WAV, AIFF, CAF, ASF or MP3 of `size` bytes declares; read errors are passed on."""
    source = RecordReader(file, size)
    file.seek(0)
    beginning = file.read(BEGINNING_BYTES)
    try:
        seconds = _read(source, beginning)
        return DeclaredDuration(seconds if seconds and seconds > 0 else None)
    except NotCredible:
        return DeclaredDuration(credible=False)


def _read(source: RecordReader, beginning: bytes) -> float | None:
    form = beginning[FORM_TYPE]
    if form == b"AVI ":
        return _avi_seconds(source)
    if form == b"WAVE":
        return _wave_seconds(source)
    if form in (b"AIFF", b"AIFC"):
        return _aiff_seconds(source, is_pcm=form == b"AIFF")
    if beginning.startswith(b"caff"):
        return _caf_seconds(source)
    if beginning.startswith(ASF_HEADER):
        return _asf_seconds(source)
    check_frame_count(source)
    return None


def _avi_seconds(source: RecordReader) -> float | None:
    kind, microseconds, pictures = source.record(0, AVI_HEADER) or (b"", 0, 0)
    return microseconds * pictures / MICROSECONDS if kind == b"avih" else None


def _wave_seconds(source: RecordReader) -> float | None:
    _, outer, _ = source.record(0, RIFF_HEADER) or (b"", 0, b"")
    bytes_per_second, ds64 = 0, None
    for kind, body, size in source.chunks(RIFF_HEADER.size, RIFF_CHUNK, padded=True):
        if kind == b"fmt " and not bytes_per_second:
            bytes_per_second = _bytes_per_second(source, body)
        elif kind == b"ds64" and ds64 is None:
            ds64 = source.record(body, DS64)
        elif kind == b"data":
            outer, sound_bytes = ds64 if ds64 and size == IN_DS64 else (outer, size)
            _check_size(sound_bytes, body, outer)
            return sound_bytes / bytes_per_second if bytes_per_second else None
    return None


def _bytes_per_second(source: RecordReader, body: int) -> int:
    """Return the bytes per second of a WAV if each block is one sample of each channel, otherwise 0."""
    found = source.record(body, WAVE_FORMAT)
    if found is None:
        return 0
    coding, channels, rate, _, block, bits = found
    if coding == EXTENSIBLE:
        (coding,) = source.record(body + SUBFORMAT_OFFSET, struct.Struct("<H")) or (EXTENSIBLE,)
    return rate * block if coding in CONSTANT_RATE and block == channels * math.ceil(bits / 8) else 0


def _aiff_seconds(source: RecordReader, *, is_pcm: bool) -> float | None:
    _, outer, _ = source.record(0, FORM_HEADER) or (b"", 0, b"")
    common: tuple[int, ...] | None = None
    sound_bytes: int | None = None
    for kind, body, size in source.chunks(FORM_HEADER.size, FORM_CHUNK, padded=True):
        if kind == b"COMM" and common is None:
            common = source.record(body, AIFF_COMMON)
        elif kind == b"SSND" and sound_bytes is None:
            _check_size(size, body, outer)
            sound_bytes = size
    if common is None or sound_bytes is None:
        return None
    channels, frames, bits, exponent, mantissa = common
    if is_pcm and frames * channels * math.ceil(bits / 8) > sound_bytes:
        raise NotCredible
    power = exponent - EXPONENT_BIAS
    rate: float = math.ldexp(mantissa, power - MANTISSA_BITS) if 0 <= power <= MAX_EXPONENT else 0.0
    return frames / rate if rate else None


def _caf_seconds(source: RecordReader) -> float | None:
    seconds_per_byte = None
    for kind, body, size in source.chunks(CAF_HEADER_BYTES, CAF_CHUNK, padded=False):
        if kind == b"desc" and seconds_per_byte is None:  # the specification allows one
            seconds_per_byte = _seconds_per_byte(source, body)
        elif kind == b"data":
            declared = size - CAF_EDIT_COUNT_BYTES
            if _is_placeholder(declared):
                raise NotCredible
            return float(declared * (seconds_per_byte or 0.0))
    return None


def _seconds_per_byte(source: RecordReader, body: int) -> float:
    """Return the seconds per byte, 0 if packets vary in size or duration; raises NotCredible."""
    rate, _, _, packet_bytes, packet_samples = source.record(body, CAF_DESCRIPTION) or (0.0, b"", 0, 0, 0)
    if not packet_bytes or not packet_samples:
        return 0.0
    if not MIN_RATE <= rate <= MAX_RATE:  # NaN as well
        raise NotCredible
    return float(packet_samples / packet_bytes / rate)


def _asf_seconds(source: RecordReader) -> float | None:
    for kind, body, _ in source.chunks(ASF_HEADER_BYTES, ASF_OBJECT, padded=False, counted=ASF_OBJECT.size):
        if kind == ASF_FILE_PROPERTIES:
            duration, preroll, flags = source.record(body, ASF_TIMES) or (0, 0, ASF_BROADCAST)
            return None if flags & ASF_BROADCAST else float(duration / ASF_TICKS - preroll / ASF_MILLISECONDS)
    return None


def _check_size(size: int, body: int, outer: int) -> None:
    """Raise NotCredible if a chunk's size is a placeholder, or does not fit into the chunk around it."""
    if _is_placeholder(size) or (not _is_placeholder(outer) and body + size > OUTER_BYTES + outer):
        raise NotCredible


def _is_placeholder(size: int) -> bool:
    return size <= 0 or any(abs(size - known) <= HEADERS_BYTES for known in PLACEHOLDERS)
