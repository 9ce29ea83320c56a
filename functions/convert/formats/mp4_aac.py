"""The configuration of an AAC track in an MP4 (ISO/IEC 14496-3, section 1.6.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
ESDS = b"esds"
# In the contents of esds as FFmpeg writes it: the tag of the description of the decoder (ISO/IEC 14496-1, 7.2.6.7).
TAG, CONFIGURATION = 30, slice(35, 51)
DECODER_SPECIFIC = 5
ESCAPED_OBJECT, ESCAPED_RATE = 31, 15
SBR, PS = 5, 29  # HE-AAC, without and with parametric stereo
FRAME, SHORT_FRAME = 1024, 960


@dataclass(frozen=True)
class AacConfiguration:
    """The sample rate in Hz, without the doubling of HE-AAC, and the samples in a frame at this rate."""

    rate: int
    frame: int


def read_configuration(description: bytes) -> AacConfiguration | None:
    """Return the configuration in the box stsd, None if it is unknown."""
    content = description[description.find(ESDS) + len(ESDS) :] if ESDS in description else b""
    if len(content) <= TAG or content[TAG] != DECODER_SPECIFIC:
        return None
    bits = _Bits(content[CONFIGURATION])
    kind, rate = _object_type(bits), _rate(bits)
    bits.read(4)  # channels
    if kind in (SBR, PS):
        _rate(bits)
        _object_type(bits)
    return AacConfiguration(rate, SHORT_FRAME if bits.read(1) else FRAME) if kind and rate else None


class _Bits:
    """The bits of some bytes, one after another, followed by zeros."""

    def __init__(self, data: bytes) -> None:
        self._bits, self._left = int.from_bytes(data), 8 * len(data)

    def read(self, count: int) -> int:
        self._left -= count
        return self._bits >> max(0, self._left) & (1 << count) - 1


def _object_type(bits: _Bits) -> int:
    kind = bits.read(5)
    return 32 + bits.read(6) if kind == ESCAPED_OBJECT else kind


def _rate(bits: _Bits) -> int | None:
    number = bits.read(4)
    if number == ESCAPED_RATE:
        return bits.read(24)
    return RATES[number] if number < len(RATES) else None
