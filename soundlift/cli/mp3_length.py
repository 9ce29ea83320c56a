"""The duration of an MP3, measured from the headers of its frames without decoding them."""

from __future__ import annotations

import re

from soundlift.common.audio.mpeg_audio import LAYER_3, MPEG_1, frame_length, sample_rate, version_and_layer

LAYER_3_HEADER = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef]", re.DOTALL)
HEADER_BYTES = 4
ID3V2_HEADER_BYTES = 10
ID3V1_BYTES = 128


class NotMp3(ValueError):
    """A file that contains something other than MP3 frames."""


def mp3_seconds(mp3: bytes) -> float:
    """Return the duration of an MP3's frames in seconds, including the encoder's delay and padding.

    The leading Xing or Info frame, which contains no audio, does not count. Raises NotMp3 unless the file consists of
    consecutive frames up to its end.
    """
    position, end, seconds = _id3v2_bytes(mp3), len(mp3), 0.0
    if mp3[-ID3V1_BYTES:].startswith(b"TAG"):
        end -= ID3V1_BYTES
    while position < end:
        frame = _frame_at(mp3, position, end)
        seconds += 0 if b"Xing" in frame[:64] or b"Info" in frame[:64] else _samples(frame) / sample_rate(frame)
        position += len(frame)
    if not seconds:
        raise NotMp3("The file has no frame with audio.")
    return seconds


def _frame_at(mp3: bytes, position: int, end: int) -> bytes:
    header = mp3[position : position + HEADER_BYTES]
    length = frame_length(header) if LAYER_3_HEADER.match(header) and len(header) == HEADER_BYTES else 0
    if not length or position + length > end:
        raise NotMp3(f"There is no complete frame at byte {position} of {len(mp3)}.")
    return mp3[position : position + length]


def _samples(frame: bytes) -> int:
    version, layer = version_and_layer(frame)
    assert layer == LAYER_3
    return 1152 if version == MPEG_1 else 576


def _id3v2_bytes(mp3: bytes) -> int:
    """Return the length of the leading tag, whose size field has 7 bits per byte (ID3v2.4, section 3.1)."""
    if not mp3.startswith(b"ID3") or len(mp3) < ID3V2_HEADER_BYTES:
        return 0
    size = 0
    for byte in mp3[6:ID3V2_HEADER_BYTES]:
        size = size << 7 | byte & 0x7F
    return ID3V2_HEADER_BYTES + size
