"""Parsing of the frame headers of MPEG audio (ISO/IEC 11172-3, section 2.4.2.3, and 13818-3)."""

from __future__ import annotations

from soundlift.common.audio.mp3_rates import BITRATES

MPEG_1, MPEG_2, MPEG_25 = 3, 2, 0  # as encoded in the header; 2.5 is a common extension of 13818-3
LAYER_1, LAYER_3 = 1, 3
RESERVED_RATE = 3
_RATES = (44100, 48000, 32000)
_RATE_SHIFTS = {MPEG_1: 0, MPEG_2: 1, MPEG_25: 2}
_MPEG_1_KBPS = (
    (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    BITRATES,
)
_MPEG_2_KBPS = (
    (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)


def version_and_layer(header: bytes) -> tuple[int, int]:
    """Return the version, as encoded in the header, and the layer, from 1; 4 is the reserved value."""
    return header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)


def sample_rate(header: bytes) -> int:
    """Return the sample rate in Hz, or 0 for the reserved value."""
    rate = header[2] >> 2 & 3
    return 0 if rate == RESERVED_RATE else _RATES[rate] >> _RATE_SHIFTS[version_and_layer(header)[0]]


def frame_length(header: bytes) -> int:
    """Return the length of a frame in bytes, including its header (section 2.4.3.1), or 0 without a valid sample rate.

    The header must have one of the 14 bit rates. In 13818-3, a frame of layer III has half as many samples.
    """
    version, layer = version_and_layer(header)
    hertz, padding = sample_rate(header), header[2] >> 1 & 1
    if not hertz:
        return 0
    bits = (_MPEG_1_KBPS if version == MPEG_1 else _MPEG_2_KBPS)[layer - 1][(header[2] >> 4) - 1] * 1000
    if layer == LAYER_1:
        return (12 * bits // hertz + padding) * 4
    return (72 if layer == LAYER_3 and version != MPEG_1 else 144) * bits // hertz + padding
