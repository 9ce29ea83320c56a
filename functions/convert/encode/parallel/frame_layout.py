"""The positions of fields in the head of an MP3's frame: its header and side information (ISO/IEC 11172-3, 2.4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from soundlift.common.audio.mpeg_audio import MPEG_1

from ...formats.mp3_frames import HEADER_BYTES, NotMp3, read_header

# The side information begins with main_data_begin, and ends with a block for each granule and channel. The first field
# of a block is part2_3_length, the bits of main data that belong to the block.
MPEG_1_BEGIN_BITS, MPEG_2_BEGIN_BITS = 9, 8
MPEG_1_BLOCK_BITS, MPEG_2_BLOCK_BITS = 59, 63
PART_LENGTH = 12
# Positions in the header: in bits from its end, or a mask of its third byte.
BITRATE_SHIFT, PADDING_SHIFT = 12, 9
RATE_MASK = 0x0C


@dataclass(frozen=True)
class FrameLayout:
    """The positions of fields in a frame's head: its header and side information, read as one number.

    `head` is its size in bytes, `capacities` the bytes in the rest of the frame at each bit rate, and `max_begin` the
    highest main_data_begin. Shifts are in bits. `mask` selects the bits of the head that repacking does not set.
    """

    head: int
    capacities: tuple[int, ...]
    bitrate_shift: int
    begin_shift: int
    max_begin: int
    length_shifts: tuple[int, ...]
    mask: int

    def begin(self, head: int) -> int:
        """Return main_data_begin: how many bytes before the end of the head, in previous frames, its data begins."""
        return head >> self.begin_shift & self.max_begin

    def bits(self, head: int) -> int:
        """Return the size of the frame's main data in bits."""
        return sum([head >> shift & 2**PART_LENGTH - 1 for shift in self.length_shifts])


def layout_of(frame: bytes) -> FrameLayout:
    """Return the layout of a frame; raises NotMp3."""
    return _layout(frame[1], frame[2] & RATE_MASK, frame[3] >> 6)


@cache
def _layout(kind: int, rate: int, mode: int) -> FrameLayout:
    """Return the layout of frames whose headers have these fields; raises NotMp3."""
    if not kind & 1:
        raise NotMp3("a frame with a checksum")
    headers = [read_header(bytes((0xFF, kind, index << 4 | rate, mode << 6))) for index in range(1, 15)]
    side = headers[0].side_information
    begin, block = (
        (MPEG_1_BEGIN_BITS, MPEG_1_BLOCK_BITS) if kind >> 3 & 3 == MPEG_1 else (MPEG_2_BEGIN_BITS, MPEG_2_BLOCK_BITS)
    )
    bitrate_shift, begin_shift, max_begin = 8 * side + BITRATE_SHIFT, 8 * side - begin, 2**begin - 1
    return FrameLayout(
        head=HEADER_BYTES + side,
        capacities=tuple(header.size - HEADER_BYTES - side for header in headers),
        bitrate_shift=bitrate_shift,
        begin_shift=begin_shift,
        max_begin=max_begin,
        length_shifts=tuple(block * number - PART_LENGTH for number in range(1, 8 * side // block + 1)),
        mask=~(15 << bitrate_shift | 1 << 8 * side + PADDING_SHIFT | max_begin << begin_shift),
    )
