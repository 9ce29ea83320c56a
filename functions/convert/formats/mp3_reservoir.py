"""The bit reservoir at the beginning of an MP3 that was cut out of a longer one.

The main data of a frame may begin in the frames before it, by up to 511 bytes, which `main_data_begin` in the frame's
side information states (ISO/IEC 11172-3, section 2.4.1.7, and 13818-3). Decoders keep these bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fastcrc import crc16

from soundlift.common.audio.mpeg_audio import MPEG_1

from .mp3_frames import HEADER_BYTES, NotMp3, read_header

MAX_BEGIN = 511  # 255 in MPEG-2
CHECKSUM_BYTES = 2
NO_CHECKSUM = 1  # in the second byte of the header
# The side information: main_data_begin, and at the end a block for each granule and channel, which begins with
# part2_3_length, big_values and global_gain. In bits.
MPEG_1_BEGIN, MPEG_2_BEGIN = 9, 8
MPEG_1_BLOCK, MPEG_2_BLOCK = 59, 63
PART_LENGTH, BIG_VALUES, GAIN = 12, 9, 8
MPEG_1_GRANULES, MPEG_2_GRANULES = 2, 1
HIGHEST_BITRATE = 14
# What FFmpeg compares in the third and fourth byte of the first headers; it takes frames that differ for junk.
RATE_MASK, MODE_MASK = 0x0C, 0xCF


@dataclass(frozen=True)
class _SideInformation:
    """The side information of a frame as a number, with the offset and size of its bytes in the frame."""

    offset: int
    size: int
    bits: int
    begin: int
    granules: int
    block: int

    @classmethod
    def of(cls, frame: bytes) -> _SideInformation:
        size = read_header(frame).side_information
        offset = HEADER_BYTES + (0 if frame[1] & NO_CHECKSUM else CHECKSUM_BYTES)
        bits = int.from_bytes(frame[offset : offset + size])
        if frame[1] >> 3 & 3 == MPEG_1:
            return cls(offset, size, bits, bits >> 8 * size - MPEG_1_BEGIN, MPEG_1_GRANULES, MPEG_1_BLOCK)
        return cls(offset, size, bits, bits >> 8 * size - MPEG_2_BEGIN, MPEG_2_GRANULES, MPEG_2_BLOCK)

    @property
    def blocks(self) -> int:
        """Return the number of blocks, one for each granule and channel."""
        return 8 * self.size // self.block

    def shift(self, block: int) -> int:
        """Return by how many bits a block is followed."""
        return self.block * (self.blocks - 1 - block)

    def part_length(self, block: int) -> int:
        """Return the bits of main data that belong to a block."""
        return self.bits >> self.shift(block) + self.block - PART_LENGTH & (1 << PART_LENGTH) - 1

    def without_gain(self, blocks: Iterable[int]) -> bytes:
        """Return the bytes with the lowest gain in some blocks."""
        bits = self.bits
        for block in blocks:
            bits &= ~((1 << GAIN) - 1 << self.shift(block) + self.block - PART_LENGTH - BIG_VALUES - GAIN)
        return bits.to_bytes(self.size)


def main_data(frame: bytes) -> bytes:
    """Return the part of a frame that follows its side information."""
    side = _SideInformation.of(frame)
    return frame[side.offset + side.size :]


def data_before(frames: Sequence[bytes], number: int) -> bytes:
    """Return the main data of a frame that lies in the frames before it; zeros if there are not enough."""
    begin = _SideInformation.of(frames[number]).begin
    data = b"".join(map(main_data, frames[:number])).rjust(begin, b"\0")
    return data[len(data) - begin :]


def mute_incomplete_frames(frames: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the frames of a track, silent where their main data lies before the first frame.

    FFmpeg skips such granules. Other decoders would find the bytes of the header frame there, and play a loud noise. At
    the lowest gain, which is more than 250 dB below full scale, any bytes are silence.
    """
    available = 0
    for frame in frames:
        yield _muted(frame, available) if available < MAX_BEGIN else frame
        available += len(main_data(frame)) if available < MAX_BEGIN else 0


def _muted(frame: bytes, available: int) -> bytes:
    """Return a frame that follows `available` bytes of main data, silent where more are needed."""
    side = _SideInformation.of(frame)
    channels, read, muted = side.blocks // side.granules, 8 * available, list[int]()
    for granule in range(side.granules):
        if read >> 3 >= side.begin:
            break
        blocks = range(granule * channels, (granule + 1) * channels)
        read += sum(side.part_length(block) for block in blocks)
        muted += blocks
    return _with_side_information(frame, side, side.without_gain(muted)) if muted else frame


def _with_side_information(frame: bytes, side: _SideInformation, changed: bytes) -> bytes:
    """Return a frame with other side information, and its checksum if it has one (section 2.4.3.1)."""
    checksum = b"" if frame[1] & NO_CHECKSUM else crc16.cms(frame[2:HEADER_BYTES] + changed).to_bytes(CHECKSUM_BYTES)
    return frame[:HEADER_BYTES] + checksum + changed + frame[side.offset + side.size :]


def look_alike(one: bytes, other: bytes) -> bool:
    """Return whether FFmpeg takes two frames at the beginning of a file for frames of the same stream."""
    return one[2] & RATE_MASK == other[2] & RATE_MASK and one[3] & MODE_MASK == other[3] & MODE_MASK


def silent_frame(like: bytes, reservoir: bytes) -> bytes:
    """Return a frame without sound, of the kind of another one, that ends with some main data of the next frames."""
    for bitrate in range(1, HIGHEST_BITRATE + 1):
        head = bytes((0xFF, like[1] | NO_CHECKSUM, bitrate << 4 | like[2] & RATE_MASK, like[3] & MODE_MASK))
        header = read_header(head)
        room = header.size - HEADER_BYTES - header.side_information
        if room >= len(reservoir):
            return head + bytes(header.side_information) + reservoir.rjust(room, b"\0")
    raise NotMp3(f"{len(reservoir)} bytes do not fit into a frame")
