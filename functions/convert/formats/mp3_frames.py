"""The frames of an MP3, and the header frame (Xing, with LAME's tag) from which players read its exact length."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, chain
from typing import BinaryIO, Self

from fastcrc import crc16

from soundlift.common.audio.mpeg_audio import (
    LAYER_3,
    MPEG_1,
    MPEG_2,
    MPEG_25,
    frame_length,
    sample_rate,
    version_and_layer,
)

MONO = 3
HEADER_BYTES = 4
READ_BYTES = 2**18

# Offsets in the header frame, from "Xing" or "Info": http://gabriel.mp3-tech.org/mp3infotag.html
COUNTS, TOC, TOC_ENTRIES = 8, 16, 100
LAME_TAG = 120
PADDING_LIMIT = 2**12
DELAY_AND_PADDING, MUSIC_LENGTH, MUSIC_CRC, TAG_CRC = (LAME_TAG + offset for offset in (21, 28, 32, 34))


class NotMp3(Exception):
    """The bytes are not a frame of an MP3."""


@dataclass(frozen=True)
class Header:
    """The header of a frame: its size and side information in bytes, samples per channel, and rate in Hz."""

    size: int
    samples: int
    rate: int
    side_information: int


def read_header(data: bytes) -> Header:
    """Return the header of a frame; raises NotMp3."""
    if len(data) < HEADER_BYTES or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        raise NotMp3(f"one begins with {data[:HEADER_BYTES].hex()}")
    return _header(data[1], data[2], data[3] >> 6)


@cache
def _header(kind: int, numbers: int, mode: int) -> Header:
    header = bytes((0xFF, kind, numbers))
    version, layer = version_and_layer(header)
    if (
        version not in (MPEG_1, MPEG_2, MPEG_25)
        or layer != LAYER_3
        or numbers >> 4 in (0, 15)
        or not sample_rate(header)
    ):
        raise NotMp3(f"one begins with {header.hex()}")
    samples, sides = (1152, (17, 32)) if version == MPEG_1 else (576, (9, 17))
    return Header(frame_length(header), samples, sample_rate(header), sides[mode != MONO])


def read_frames(file: BinaryIO) -> Iterator[bytes]:
    """Yield the frames of a file; raises NotMp3 if it contains anything else."""
    data, at = b"", 0
    while True:
        if len(data) - at < HEADER_BYTES or len(data) - at < read_header(data[at : at + HEADER_BYTES]).size:
            more = file.read(READ_BYTES)
            if not more:
                break
            data, at = data[at:] + more, 0
            continue
        size = read_header(data[at : at + HEADER_BYTES]).size
        yield data[at : at + size]
        at += size
    if at < len(data):
        raise NotMp3(f"{len(data) - at} bytes after the last frame")


@dataclass(frozen=True)
class HeaderFrame:
    """The frame before the sound, from which players read the length and which they do not play."""

    data: bytes

    @classmethod
    def of(cls, frame: bytes) -> Self:
        """Return a frame as a header frame; raises NotMp3 if it is an ordinary frame."""
        header = cls(frame)
        if frame[header._tag : header._tag + 4] not in (b"Xing", b"Info") or len(frame) < header._tag + TAG_CRC + 2:
            raise NotMp3("no Xing or Info")
        return header

    @classmethod
    def at_start_of(cls, file: BinaryIO) -> Self:
        """Return the header frame at the beginning of a file; raises NotMp3, also for an empty file."""
        return cls.of(next(read_frames(file), b""))

    @property
    def _tag(self) -> int:
        return HEADER_BYTES + read_header(self.data).side_information

    def _number(self, offset: int, size: int) -> int:
        return int.from_bytes(self.data[self._tag + offset : self._tag + offset + size])

    @property
    def rate(self) -> int:
        """Return the sample rate in Hz."""
        return read_header(self.data).rate

    @property
    def samples(self) -> int:
        """Return the samples per channel without the encoder's delay and padding, which players cut off."""
        delay, padding = divmod(self._number(DELAY_AND_PADDING, 3), PADDING_LIMIT)
        return self._number(COUNTS, 4) * read_header(self.data).samples - delay - padding

    def for_frames(self, sizes: Sequence[int], samples: int, crc: int) -> HeaderFrame:
        """Return a header frame for other frames of the same kind, with their sizes, length in samples and CRC."""
        total = (len(self.data) + sum(sizes)).to_bytes(4)
        return self._with(
            {
                COUNTS: len(sizes).to_bytes(4) + total,
                TOC: _table_of_contents(chain([len(self.data)], sizes)),
                MUSIC_LENGTH: total,
                MUSIC_CRC: crc.to_bytes(2),
            }
        ).with_length(samples)

    def with_length(self, samples: int) -> HeaderFrame:
        """Return the frame with another length, in samples per channel; raises NotMp3 if the frames cannot have it."""
        delay = self._number(DELAY_AND_PADDING, 3) >> 12
        padding = self._number(COUNTS, 4) * read_header(self.data).samples - delay - samples
        if not 0 <= padding < PADDING_LIMIT:
            raise NotMp3(f"a padding of {padding} samples")
        return self._with({DELAY_AND_PADDING: (delay << 12 | padding).to_bytes(3)})

    def with_delay(self, delay: int) -> HeaderFrame:
        """Return the frame with another encoder's delay, in samples per channel, and no padding."""
        return self._with({DELAY_AND_PADDING: (delay << 12).to_bytes(3)})

    def _with(self, fields: Mapping[int, bytes]) -> HeaderFrame:
        """Return the frame with other bytes at some offsets, and a new checksum."""
        data = bytearray(self.data)
        for offset, value in fields.items():
            data[self._tag + offset : self._tag + offset + len(value)] = value
        end = self._tag + TAG_CRC
        data[end : end + 2] = crc16.arc(bytes(data[:end])).to_bytes(2)
        return HeaderFrame(bytes(data))


def _table_of_contents(sizes: Iterable[int]) -> bytes:
    """Return, for each percent of the time, its position in the file in 256ths of the size; all are below 256."""
    starts = array("Q", accumulate(sizes, initial=0))
    marks = (starts[(len(starts) - 1) * percent // TOC_ENTRIES] for percent in range(TOC_ENTRIES))
    return bytes(256 * mark // starts[-1] for mark in marks)
