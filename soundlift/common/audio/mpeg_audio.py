"""Reads the header that a frame of MPEG audio begins with (ISO/IEC 11172-3, section 2.4.2.3, and 13818-3)."""

from __future__ import annotations

from soundlift.common.audio.mp3_rates import BITRATES

MPEG_1, MPEG_2, MPEG_25 = 3, 2, 0  # as the header has them; 2.5 is the usual extension of 13818-3
LAYER_1, LAYER_3 = 1, 3
NO_RATE = 3
_RATES = (44100, 48000, 32000)
_HALVINGS = {MPEG_1: 0, MPEG_2: 1, MPEG_25: 2}
_KBPS_OF_MPEG_1 = (
    (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    BITRATES,
)
_KBPS_OF_MPEG_2 = (
    (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)


def version_and_layer(header: bytes) -> tuple[int, int]:
    """Return the version, as the header has it, and the layer, from 1; a layer of 4 is none."""
    return header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)


def sample_rate(header: bytes) -> int:
    """Return the sample rate in Hz, 0 where there is none."""
    rate = header[2] >> 2 & 3
    return 0 if rate == NO_RATE else _RATES[rate] >> _HALVINGS[version_and_layer(header)[0]]


def frame_length(header: bytes) -> int:
    """Return how many bytes a frame has, its header with them, by section 2.4.3.1; 0 where it has no sample rate.

    Its bit rate must be one of the fourteen. A frame of layer III has half the samples in 13818-3.
    """
    version, layer = version_and_layer(header)
    hertz, padding = sample_rate(header), header[2] >> 1 & 1
    if not hertz:
        return 0
    bits = (_KBPS_OF_MPEG_1 if version == MPEG_1 else _KBPS_OF_MPEG_2)[layer - 1][(header[2] >> 4) - 1] * 1000
    if layer == LAYER_1:
        return (12 * bits // hertz + padding) * 4
    return (72 if layer == LAYER_3 and version != MPEG_1 else 144) * bits // hertz + padding
