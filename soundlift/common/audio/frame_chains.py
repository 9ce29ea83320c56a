"""Tells a raw stream by frames in a row, wherever it begins: each header says how far it is to the next one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from soundlift.common.audio.mpeg_audio import frame_length

# ETSI TS 102 366, 4.4.1.3 and 4.4.1.4.
AC3_RATES = (48000, 44100, 32000)
AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


@dataclass(frozen=True)
class Chain:
    """Is one kind of frame: what its header matches, and by that how many bytes on the next one is; 0: it is none.

    `repeated` has the bits of a header that are the same in all of a stream, and `enough` is how many in a row tell it.
    """

    header: re.Pattern[bytes]
    length: Callable[[bytes], int]
    repeated: int
    enough: int

    def is_in(self, data: bytes) -> bool:
        """Tell whether enough frames are in a row anywhere; up to the end of the data, one fewer, but two."""
        start = 0
        while first := self.header.search(data, start):
            if self._goes_on(data, first):
                return True
            start = first.start() + 1
        return False

    def _goes_on(self, data: bytes, first: re.Match[bytes]) -> bool:
        place, frames = first.start(), 0
        while frames < self.enough:
            header = self.header.match(data, place)
            if header is None or self._common(header) != self._common(first) or not self.length(header[0]):
                return place >= len(data) and frames >= max(2, self.enough - 1)
            place, frames = place + self.length(header[0]), frames + 1
        return True

    def _common(self, header: re.Match[bytes]) -> int:
        return int.from_bytes(header[0]) & self.repeated


def _chain(header: bytes, length: Callable[[bytes], int], *, repeated: int = 0, enough: int = 3) -> Chain:
    return Chain(re.compile(header, re.DOTALL), length, repeated, enough)


def _any_in(*chains: Chain) -> Callable[[bytes], bool]:
    return lambda data: any(chain.is_in(data) for chain in chains)


def _adts_length(header: bytes) -> int:
    """Return the length by ISO/IEC 14496-3, 1.A.2.2; a header has one of 13 sample rates."""
    length, rate = int.from_bytes(header[3:6]) >> 5 & 0x1FFF, header[2] >> 2 & 15
    return length if length >= len(header) and rate < 13 else 0


def _ac3_length(header: bytes) -> int:
    """Return the length of AC-3 by ETSI TS 102 366, table 4.13, and of E-AC-3 by its annex E."""
    if header[5] >> 3 > 10:
        return ((int.from_bytes(header[2:4]) & 0x7FF) + 1) * 2
    rate, code = header[4] >> 6, header[4] & 63
    if rate == 3 or code > 37:
        return 0
    padding = code & 1 if AC3_RATES[rate] == 44100 else 0
    return (AC3_KBPS[code >> 1] * 96000 // AC3_RATES[rate] + padding) * 2


def _swapped_ac3_length(header: bytes) -> int:
    return _ac3_length(bytes(header[place ^ 1] for place in range(len(header))))


def _timed_ac3_length(header: bytes) -> int:
    length = _ac3_length(header[16:])
    return length and 16 + length


def _ts_packets(length: int) -> Chain:
    """Return packets with a payload or an adaptation field (ISO/IEC 13818-1, 2.4.3.2), more than for a rarer sync."""
    return _chain(rb"G..[\x10-\x3f\x50-\x7f\x90-\xbf\xd0-\xff]", lambda _: length, enough=5)


def _ps_packet_length(header: bytes) -> int:
    """Return the length by ISO/IEC 13818-1, 2.4.3.6, and of a pack's header by 2.5.3.3, or ISO/IEC 11172-1."""
    if header[3] != 0xBA:
        return 6 + int.from_bytes(header[4:])
    return 14 + (header[13] & 7) if header[4] & 0xC0 else 12


# Sync, version, layer and sample rate repeat; in ADTS, all of the fixed header but the CRC's bit and the private one.
_LAYERS_2_AND_3 = _chain(rb"\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd][\x10-\xef].", frame_length, repeated=0xFFFE0C00)
# Machine code is full of FF FF. But the bits that a subband gets are never 15 (ISO/IEC 11172-3, 2.4.2.5).
_LAYER_1 = _chain(
    rb"\xff(?:[\xe7\xf7\xff][\x10-\xef].|[\xe6\xf6\xfe][\x10-\xef]...)"
    rb"[\0-\x0e\x10-\x1e\x20-\x2e\x30-\x3e\x40-\x4e\x50-\x5e\x60-\x6e\x70-\x7e"
    rb"\x80-\x8e\x90-\x9e\xa0-\xae\xb0-\xbe\xc0-\xce\xd0-\xde\xe0-\xee]{16}",
    frame_length,
    enough=5,
)
has_mpeg_audio = _any_in(_LAYERS_2_AND_3, _LAYER_1)
has_adts = _any_in(_chain(rb"\xff[\xf0\xf1\xf8\xf9].{5}", _adts_length, repeated=0xFFFEFDC0000000))
# In either order of bytes, or with a time code of 16 bytes before each frame.
has_ac3 = _any_in(
    _chain(rb"\x0b\x77.{3}[\0-\x87]", _ac3_length),
    _chain(rb"\x77\x0b.{2}[\0-\x87].", _swapped_ac3_length),
    _chain(rb"\x01\x10.{14}\x0b\x77.{3}[\0-\x87]", _timed_ac3_length),
)
# Bare; on Blu-ray with its time of arrival before each; with DVB's error correction behind each (ETSI EN 300 421).
has_ts_packets = _any_in(_ts_packets(188), _ts_packets(192), _ts_packets(204))
has_ps_packets = _any_in(
    _chain(rb"\0\0\x01(?:[\xbb-\xef\xfd].{2}|\xba(?:[\x20-\x2f].{7}|[\x40-\x7f].{9}))", _ps_packet_length, enough=2)
)
