"""The repacking of self-contained MP3 frames into fewer bytes, without changing the sound.

A frame has one of 14 lengths, one for each bit rate. If frames are self-contained (`-reservoir 0`), bytes that the main
data (scale factors and Huffman codes) does not fill are stuffing. Repacking concatenates the main data of all
frames, makes each frame as short as possible, and lets the data of a frame begin in previous frames: the bit reservoir
of ISO/IEC 11172-3, sections 2.4.1.7 and 2.4.2.7, and of 13818-3, the same sections.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
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
# A frame and its data in previous frames together. LAME has the same limit: decoders need no larger buffer than for the
# longest possible frame, at 320 kbit/s and 32 kHz.
MAX_SPAN_BYTES = 1440


@dataclass(frozen=True)
class _Layout:
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


@cache
def _layout(kind: int, rate: int, mode: int) -> _Layout:
    """Return the layout of frames whose headers have these fields; raises NotMp3."""
    if not kind & 1:
        raise NotMp3("a frame with a checksum")
    headers = [read_header(bytes((0xFF, kind, index << 4 | rate, mode << 6))) for index in range(1, 15)]
    side = headers[0].side_information
    begin, block = (
        (MPEG_1_BEGIN_BITS, MPEG_1_BLOCK_BITS) if kind >> 3 & 3 == MPEG_1 else (MPEG_2_BEGIN_BITS, MPEG_2_BLOCK_BITS)
    )
    bitrate_shift, begin_shift, max_begin = 8 * side + BITRATE_SHIFT, 8 * side - begin, 2**begin - 1
    return _Layout(
        head=HEADER_BYTES + side,
        capacities=tuple(header.size - HEADER_BYTES - side for header in headers),
        bitrate_shift=bitrate_shift,
        begin_shift=begin_shift,
        max_begin=max_begin,
        length_shifts=tuple(block * number - PART_LENGTH for number in range(1, 8 * side // block + 1)),
        mask=~(15 << bitrate_shift | 1 << 8 * side + PADDING_SHIFT | max_begin << begin_shift),
    )


def repack(frames: Iterable[bytes]) -> Iterator[bytes]:
    """Yield repacked frames, each after reading at most 90 more; raises NotMp3 if a frame is not self-contained."""
    waiting: deque[tuple[bytes, int]] = deque()
    pending = bytearray()
    for head, capacity, data in _lay_out(frames):
        waiting.append((head, capacity))
        pending += data
        while waiting and len(pending) >= waiting[0][1]:
            yield _fill(*waiting.popleft(), pending)
    while waiting:
        yield _fill(*waiting.popleft(), pending)


def _lay_out(frames: Iterable[bytes]) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield the new head of each frame, the number of bytes that follow it, and the data that the frame adds.

    `spare` is the number of bytes that previous frames left unused.
    """
    spare = 0
    for frame in frames:
        layout = _layout(frame[1], frame[2] & RATE_MASK, frame[3] >> 6)
        head = int.from_bytes(frame[: layout.head])
        size = sum([head >> shift & 2**PART_LENGTH - 1 for shift in layout.length_shifts]) + 7 >> 3
        if head >> layout.begin_shift & layout.max_begin or size > min(len(frame) - layout.head, layout.capacities[-1]):
            raise NotMp3("a frame that is not self-contained")
        begin = min(spare, layout.max_begin)
        bitrate = bisect_left(layout.capacities, size - begin)
        capacity = layout.capacities[bitrate]
        begin = min(begin, MAX_SPAN_BYTES - layout.head - capacity)
        head = head & layout.mask | bitrate + 1 << layout.bitrate_shift | begin << layout.begin_shift
        yield head.to_bytes(layout.head), capacity, bytes(spare - begin) + frame[layout.head : layout.head + size]
        spare = begin + capacity - size


def _fill(head: bytes, capacity: int, pending: bytearray) -> bytes:
    """Return a frame filled from the beginning of the pending data, and remove what was used from the data."""
    frame = head + pending[:capacity].ljust(capacity, b"\0")
    del pending[:capacity]
    return frame
