"""Measures the sound of an MP3 by walking over all its frames, without decoding them."""

from __future__ import annotations

import re

from soundlift.common.audio.mpeg_audio import LAYER_3, MPEG_1, frame_length, sample_rate, version_and_layer

LAYER_3_HEADER = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef]", re.DOTALL)
HEADER_BYTES = 4
ID3V2_HEADER_BYTES = 10
ID3V1_BYTES = 128


class NotMp3(ValueError):
    """Something in a file that is not a frame of an MP3."""


def mp3_seconds(mp3: bytes) -> float:
    """Return the seconds that the frames of an MP3 last, with the encoder's delay and padding.

    The frame in front that holds no sound (Xing's or Info) does not count. Raises NotMp3 where one frame does not
    follow the other to the end.
    """
    place, end, seconds = _id3v2_bytes(mp3), len(mp3), 0.0
    if mp3[-ID3V1_BYTES:].startswith(b"TAG"):
        end -= ID3V1_BYTES
    while place < end:
        frame = _frame_at(mp3, place, end)
        seconds += 0 if b"Xing" in frame[:64] or b"Info" in frame[:64] else _samples(frame) / sample_rate(frame)
        place += len(frame)
    if not seconds:
        raise NotMp3("It has no frame with sound.")
    return seconds


def _frame_at(mp3: bytes, place: int, end: int) -> bytes:
    header = mp3[place : place + HEADER_BYTES]
    length = frame_length(header) if LAYER_3_HEADER.match(header) and len(header) == HEADER_BYTES else 0
    if not length or place + length > end:
        raise NotMp3(f"At byte {place} of {len(mp3)} there is no whole frame.")
    return mp3[place : place + length]


def _samples(frame: bytes) -> int:
    version, layer = version_and_layer(frame)
    assert layer == LAYER_3
    return 1152 if version == MPEG_1 else 576


def _id3v2_bytes(mp3: bytes) -> int:
    """Return the length of the tag in front, whose size has seven bits a byte (ID3v2.4, section 3.1)."""
    if not mp3.startswith(b"ID3") or len(mp3) < ID3V2_HEADER_BYTES:
        return 0
    size = 0
    for byte in mp3[6:ID3V2_HEADER_BYTES]:
        size = size << 7 | byte & 0x7F
    return ID3V2_HEADER_BYTES + size
