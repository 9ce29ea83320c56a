"""What each frame of an MP3 contributes to the sound, wherever the bit reservoir has put its data.

Two encoders that are in the same state produce frames with the same contents, but not always the same bytes: LAME fills
what the data leaves unused with alternating bits, and goes on where it stopped in the previous frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .frame_layout import layout_of

MAX_BEGIN = 511  # bytes before a frame, at which its data may begin

Content = tuple[int, int]
"""The head of a frame, and its main data, as numbers."""


def contents(frames: Iterable[bytes]) -> Iterator[Content | None]:
    """Yield the content of each frame, or None if its data begins before the first of the frames; raises NotMp3."""
    previous = b""
    for frame in frames:
        layout = layout_of(frame)
        head = int.from_bytes(frame[: layout.head])
        begin, bits = layout.begin(head), layout.bits(head)
        data = previous + frame[layout.head :]
        first = len(previous) - begin
        last = first + (bits + 7 >> 3)
        yield (head, int.from_bytes(data[first:last]) >> -bits % 8) if first >= 0 else None
        previous = data[-MAX_BEGIN:]
