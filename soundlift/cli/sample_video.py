"""A small video with a tone, made without FFmpeg: an AVI file of uncompressed frames and PCM audio.

Its layout follows Microsoft's AVI RIFF File Reference: headers, then each frame followed by its audio.
"""

from __future__ import annotations

import math
import struct

SECONDS = 2
SAMPLE_RATE = 16_000
TONE_HZ = 440
AMPLITUDE = 8_000  # of 32,767
WIDTH = HEIGHT = 16
FRAMES_PER_SECOND = 5
FRAME_BYTES = WIDTH * HEIGHT * 3
SAMPLE_BYTES = 2
PCM = 1  # WAVE_FORMAT_PCM
HAS_INDEX, IS_KEY_FRAME = 0x10, 0x10
BYTES_PER_SECOND = FRAMES_PER_SECOND * FRAME_BYTES + SAMPLE_RATE * SAMPLE_BYTES


def sample_video() -> bytes:
    """Return a video of SECONDS, about 70 kB."""
    chunks = [chunk for number in range(SECONDS * FRAMES_PER_SECOND) for chunk in (_frame(number), _samples(number))]
    movie = b"movi" + b"".join(_chunk(name, data) for name, data in chunks)
    return _chunk(b"RIFF", b"AVI " + _list(_headers()) + _list(movie) + _chunk(b"idx1", _index(chunks)))


def _frame(number: int) -> tuple[bytes, bytes]:
    return b"00db", bytes([number * 20]) * FRAME_BYTES


def _samples(number: int) -> tuple[bytes, bytes]:
    """Return the audio during one frame."""
    count = SAMPLE_RATE // FRAMES_PER_SECOND
    cycles = (TONE_HZ * (number * count + sample) / SAMPLE_RATE for sample in range(count))
    return b"01wb", struct.pack(f"<{count}h", *(int(AMPLITUDE * math.sin(math.tau * cycle)) for cycle in cycles))


def _headers() -> bytes:
    frames = SECONDS * FRAMES_PER_SECOND
    main = struct.pack(
        "<10I16x",
        *(1_000_000 // FRAMES_PER_SECOND, BYTES_PER_SECOND, 0, HAS_INDEX, frames, 0, 2, FRAME_BYTES),
        *(WIDTH, HEIGHT),
    )
    bitmap = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 24, 0, FRAME_BYTES, 0, 0, 0, 0)
    wave = struct.pack("<HHIIHH", PCM, 1, SAMPLE_RATE, SAMPLE_RATE * SAMPLE_BYTES, SAMPLE_BYTES, SAMPLE_BYTES * 8)
    return (
        b"hdrl"
        + _chunk(b"avih", main)
        + _stream(b"vids", FRAMES_PER_SECOND, frames, 0, bitmap)
        + _stream(b"auds", SAMPLE_RATE, SECONDS * SAMPLE_RATE, SAMPLE_BYTES, wave)
    )


def _stream(kind: bytes, rate: int, length: int, sample_bytes: int, stream_format: bytes) -> bytes:
    """Return the headers of a stream; its length is in units of 1 / rate seconds."""
    header = struct.pack("<4s4x3I5I2I8x", kind, 0, 0, 0, 1, rate, 0, length, 0, 0xFFFFFFFF, sample_bytes)
    return _list(b"strl" + _chunk(b"strh", header) + _chunk(b"strf", stream_format))


def _index(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Return the index, whose offsets are relative to `movi`."""
    entries, offset = b"", 4
    for name, data in chunks:
        entries += struct.pack("<4s3I", name, IS_KEY_FRAME, offset, len(data))
        offset += 8 + len(data)
    return entries


def _list(content: bytes) -> bytes:
    return _chunk(b"LIST", content)


def _chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk; all lengths in this file are even, so no chunk needs padding."""
    return struct.pack("<4sI", name, len(content)) + content
