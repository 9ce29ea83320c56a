"""The length of raw AC-3, E-AC-3 and DTS, by their frames: the files have no header, and FFmpeg estimates the length.

AC-3 and E-AC-3: ETSI TS 102 366, sections 4.4.1, E.1.3.1 and table 4.13. DTS: ETSI TS 102 114, section 5.3.1.
"""

from __future__ import annotations

import mmap
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Frame:
    """A frame: its size in bytes, the samples per channel that it adds, and their rate in Hz."""

    size: int
    samples: int
    rate: int


ReadFrame = Callable[[bytes], Frame | None]
"""A function that returns the frame that begins with HEADER_BYTES bytes, or None if it is not one."""

HEADER_BYTES = 16
MAX_MISSES = 100_000  # of places that look like the beginning of a frame; a crafted file may have any number of them

AC3_SYNC = re.compile(rb"\x0b\x77")
AC3_RATES = (48000, 44100, 32000)
AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
AC3_BLOCKS, EAC3_BLOCKS, BLOCK_SAMPLES = 6, (1, 2, 3, 6), 256
AC3_MAX_ID, EAC3_MAX_ID = 10, 16
DEPENDENT = 1  # the type of a substream that adds channels to the one before

# In words of 16 or 14 bits, in either byte order.
DTS_SYNC = re.compile(
    rb"\x7f\xfe\x80\x01|\xfe\x7f\x01\x80|\x1f\xff\xe8\x00\x07[\xf0-\xff]|\xff\x1f\x00\xe8[\xf0-\xff]\x07"
)
DTS_RATES = {
    1: 8000, 2: 16000, 3: 32000, 6: 11025, 7: 22050, 8: 44100, 11: 12000, 12: 24000, 13: 48000,
}  # fmt: skip
DTS_FIELDS_END = 70  # bits up to the last field that is read: NBLKS (7 bits), FSIZE (14), AMODE (6) and SFREQ (4)
DTS_BLOCK_SAMPLES, MIN_DTS_BLOCKS, MIN_DTS_BYTES = 32, 5, 95


def measure_seconds(
    path: Path, sync: re.Pattern[bytes], read_frame: ReadFrame, *, conceals_incomplete: bool = False
) -> float:
    """Return the length of a file's frames in seconds, 0 if it has none; other bytes are skipped.

    The last frame, if it is incomplete, has a length if decoders conceal what is missing.
    """
    if not path.stat().st_size:
        return 0.0
    samples: Counter[int] = Counter()
    at = misses = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while match := sync.search(data, at):
            frame = read_frame(data[match.start() : match.start() + HEADER_BYTES])
            if frame is not None and (conceals_incomplete or match.start() + frame.size <= len(data)):
                samples[frame.rate] += frame.samples
                at = match.start() + frame.size
            else:
                at, misses = match.start() + 1, misses + 1
                if misses > MAX_MISSES:
                    return 0.0
    return sum(count / rate for rate, count in samples.items())


def read_ac3_frame(header: bytes) -> Frame | None:
    """Return the frame of AC-3 or E-AC-3 that begins with a header, or None if it is not one."""
    if len(header) < HEADER_BYTES:
        return None
    version = header[5] >> 3
    if version > EAC3_MAX_ID:
        return None
    return _read_ac3_frame(header, version) if version <= AC3_MAX_ID else _read_eac3_frame(header)


def _read_ac3_frame(header: bytes, version: int) -> Frame | None:
    rate_code, size_code = header[4] >> 6, header[4] & 63
    if rate_code >= len(AC3_RATES) or size_code // 2 >= len(AC3_KBPS):
        return None
    rate, kbps = AC3_RATES[rate_code], AC3_KBPS[size_code // 2]
    words = kbps * 1000 * AC3_BLOCKS * BLOCK_SAMPLES // rate // 16 + (size_code % 2 if rate == 44100 else 0)
    return Frame(2 * words, AC3_BLOCKS * BLOCK_SAMPLES, rate >> max(0, version - 8))


def _read_eac3_frame(header: bytes) -> Frame | None:
    kind, substream = header[2] >> 6, header[2] >> 3 & 7
    rate_code, next_code = header[4] >> 6, header[4] >> 4 & 3
    is_halved = rate_code == len(AC3_RATES)  # then the next code is that of the rate, and not of the number of blocks
    if is_halved and next_code == len(AC3_RATES):
        return None
    rate = AC3_RATES[next_code] // 2 if is_halved else AC3_RATES[rate_code]
    blocks = AC3_BLOCKS if is_halved else EAC3_BLOCKS[next_code]
    is_counted = kind != DEPENDENT and substream == 0
    size = 2 * ((header[2] & 7) << 8 | header[3]) + 2
    return None if size < HEADER_BYTES else Frame(size, blocks * BLOCK_SAMPLES * is_counted, rate)


def read_dts_frame(header: bytes) -> Frame | None:
    """Return the core frame of DTS that begins with a header, or None if it is not one."""
    if len(header) < HEADER_BYTES:
        return None
    bits = 14 if header[0] in (0x1F, 0xFF) else 16
    fields = _first_words(header, bits) >> 8 * bits - DTS_FIELDS_END
    blocks, size, rate = (fields >> 24 & 0x7F) + 1, (fields >> 10 & 0x3FFF) + 1, DTS_RATES.get(fields & 0xF)
    if rate is None or blocks <= MIN_DTS_BLOCKS or size <= MIN_DTS_BYTES:
        return None
    return Frame(size * 16 // bits, blocks * DTS_BLOCK_SAMPLES, rate)


def _first_words(header: bytes, bits: int) -> int:
    """Return the first eight words of `bits` each as one number; the byte order is that of the first one."""
    if bits == 16 and header[0] == 0x7F:
        return int.from_bytes(header)
    order: Literal["little", "big"] = "little" if header[0] in (0xFE, 0xFF) else "big"
    number = 0
    for at in range(0, HEADER_BYTES, 2):
        number = number << bits | int.from_bytes(header[at : at + 2], order) & (1 << bits) - 1
    return number
