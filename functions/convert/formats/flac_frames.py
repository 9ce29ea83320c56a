"""The frames of a FLAC stream, and the description of the stream (RFC 9639)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fastcrc import crc8, crc16

from .output_format import NotCopied

SIGNATURE = b"fLaC"
STREAM_INFO_BYTES = 34
TOTAL_BITS = 36
MD5_BYTES = 16
SYNC_FIXED, SYNC_VARIABLE = b"\xff\xf8", b"\xff\xf9"
NUMBER_AT = 4  # the position of the coded number in a frame header
MAX_HEADER_BYTES = 16
# Table 14 of the RFC, for the codes that do not stand for a size at the end of the header.
BLOCK_SIZES = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}
BLOCK_SIZE_BYTES, RATE_BYTES = {6: 1, 7: 2}, {12: 1, 13: 2, 14: 2}
# The bits that have the same value in all frames: of the sample rate, and of the bits per sample.
RATE_BITS, DEPTH_BITS = 0x0F, 0x0E


class NotFlac(Exception):
    """Bytes are not a FLAC frame, or not the beginning of a FLAC file."""


@dataclass(frozen=True)
class FrameHeader:
    """The header of a frame: its number in the stream, and the number of its samples per channel.

    If the block size `is_variable`, the number is that of its first sample instead. `number_end` is the position in the
    header at which the coded number ends. `kind` is equal for all frames of a stream.
    """

    number: int
    samples: int
    is_variable: bool
    kind: tuple[int, int]
    number_end: int
    size: int

    @classmethod
    def read(cls, data: bytes) -> FrameHeader:
        """Return the header at the beginning of some bytes; raises NotFlac."""
        if data[:2] not in (SYNC_FIXED, SYNC_VARIABLE):
            raise NotFlac
        try:
            number, number_end = _read_number(data)
            code = data[2] >> 4
            end = number_end + BLOCK_SIZE_BYTES.get(code, 0)
            samples = BLOCK_SIZES[code] if end == number_end else int.from_bytes(data[number_end:end]) + 1
            end += RATE_BYTES.get(data[2] & RATE_BITS, 0)
            if data[end] != crc8.smbus(data[:end]):
                raise NotFlac
        except (LookupError, ValueError):
            raise NotFlac from None
        kind = (data[2] & RATE_BITS, data[3] & DEPTH_BITS)
        return cls(number, samples, data[:2] == SYNC_VARIABLE, kind, number_end, end + 1)

    def renumber(self, frame: bytes, number: int) -> bytes:
        """Return a frame, which begins with this header, with another number."""
        head = frame[:NUMBER_AT] + _code_number(number) + frame[self.number_end : self.size - 1]
        body = head + bytes([crc8.smbus(head)]) + frame[self.size : -2]
        return body + crc16.umts(body).to_bytes(2)


@dataclass(frozen=True)
class StreamInfo:
    """The metadata block that describes a stream."""

    data: bytes

    @classmethod
    def of(cls, beginning: bytes) -> StreamInfo:
        """Return the description at the beginning of a file; raises NotFlac."""
        start = len(SIGNATURE) + 4
        data = beginning[start : start + STREAM_INFO_BYTES]
        stream = cls(data)
        if not beginning.startswith(SIGNATURE) or len(data) < STREAM_INFO_BYTES or not stream.rate:
            raise NotFlac
        return stream

    @property
    def rate(self) -> int:
        """Return the sample rate in Hz."""
        return int.from_bytes(self.data[10:13]) >> 4

    @property
    def samples(self) -> int:
        """Return the number of samples per channel, 0 if it is unknown."""
        return int.from_bytes(self.data[10:18]) & ((1 << TOTAL_BITS) - 1)

    def with_samples(self, samples: int) -> StreamInfo:
        """Return the description of a stream of another length, of which no checksum is known; raises NotCopied."""
        if samples == self.samples:
            return self
        if samples >= 1 << TOTAL_BITS:
            raise NotCopied("it is too long")
        field = int.from_bytes(self.data[10:18]) >> TOTAL_BITS << TOTAL_BITS | samples
        return StreamInfo(self.data[:10] + field.to_bytes(8) + bytes(MD5_BYTES))


def read_metadata(file: BinaryIO) -> dict[int, bytes]:
    """Return the metadata blocks of a file by type, and leave its position at the first frame; raises NotFlac."""
    if file.read(len(SIGNATURE)) != SIGNATURE:
        raise NotFlac
    blocks: dict[int, bytes] = {}
    is_last = False
    while not is_last:
        header = file.read(4)
        if len(header) < 4:
            raise NotFlac
        is_last, kind, size = bool(header[0] >> 7), header[0] & 0x7F, int.from_bytes(header[1:])
        blocks.setdefault(kind, file.read(size))
    return blocks


def complete_frames(path: Path, start: int, sizes: Sequence[int]) -> int:
    """Return the samples per channel of a stream, after numbering its frames from 0 if they are not.

    They begin at the position `start` in the file, and have `sizes` in bytes. Raises NotFlac, or NotCopied if frames
    are missing.
    """
    with path.open("rb") as file:
        file.seek(start)
        first, samples = None, 0
        for header in _read_headers(file, sizes):
            first = first or header
            begin = header.number if header.is_variable else header.number * first.samples
            origin = first.number if first.is_variable else first.number * first.samples
            if header.kind != first.kind or header.is_variable != first.is_variable or begin - origin != samples:
                raise NotCopied("frames of its stream are missing")
            samples += header.samples
    if first and first.number:
        _renumber(path, start, sizes, first.number)
    return samples


def _read_headers(file: BinaryIO, sizes: Sequence[int]) -> Iterator[FrameHeader]:
    for size in sizes:
        data = file.read(min(size, MAX_HEADER_BYTES))
        yield FrameHeader.read(data)
        file.seek(size - len(data), 1)


def _renumber(path: Path, start: int, sizes: Sequence[int], first: int) -> None:
    output = path.with_suffix(".renumbered")
    with path.open("rb") as file, output.open("wb") as renumbered:
        renumbered.write(file.read(start))
        for size in sizes:
            frame = file.read(size)
            header = FrameHeader.read(frame)
            renumbered.write(header.renumber(frame, header.number - first))
    output.replace(path)


def _read_number(data: bytes) -> tuple[int, int]:
    """Return the coded number of a frame header, and where it ends; raises LookupError or ValueError."""
    first = data[NUMBER_AT]
    length = 8 - (first ^ 0xFF).bit_length()  # the number of leading ones
    if not length:
        return first, NUMBER_AT + 1
    if length in (1, 8):
        raise ValueError
    number = first & (0x7F >> length)
    for byte in data[NUMBER_AT + 1 : NUMBER_AT + length]:
        if byte >> 6 != 0b10:
            raise ValueError
        number = number << 6 | byte & 0x3F
    return number, NUMBER_AT + length


def _code_number(number: int) -> bytes:
    """Return a number below 2^36 as in UTF-8, extended to seven bytes (RFC 9639, section 9.1.5)."""
    if number < 0x80:
        return bytes([number])
    length = next(count for count in range(2, 8) if number < 1 << (5 * count + 1))
    rest = [0x80 | number >> 6 * place & 0x3F for place in range(length - 2, -1, -1)]
    return bytes([(0xFF00 >> length & 0xFF) | number >> 6 * (length - 1), *rest])
