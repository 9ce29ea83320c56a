"""The sample rates and constant bit rates of MP3."""

from __future__ import annotations

SAMPLE_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""In Hz: three each of MPEG-2.5, MPEG-2 (ISO/IEC 13818-3) and MPEG-1 (ISO/IEC 11172-3)."""

BITRATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
"""In kbit/s, for MPEG-1, layer III."""


def highest_bitrate(sample_rate: int) -> int:
    """Return the highest of BITRATES, in kbit/s, that LAME encodes at a sample rate in Hz.

    MPEG-2 and MPEG-2.5 allow up to 160, but LAME limits MPEG-2.5 to 64.
    """
    if sample_rate <= 12000:
        return 64
    return 160 if sample_rate <= 24000 else 320
