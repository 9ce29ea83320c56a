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

from ...formats.mp3_frames import NotMp3
from .frame_layout import layout_of

# A frame and its data in previous frames together. LAME has the same limit: decoders need no larger buffer than for the
# longest possible frame, at 320 kbit/s and 32 kHz.
MAX_SPAN_BYTES = 1440


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
        layout = layout_of(frame)
        head = int.from_bytes(frame[: layout.head])
        size = layout.bits(head) + 7 >> 3
        if layout.begin(head) or size > min(len(frame) - layout.head, layout.capacities[-1]):
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
