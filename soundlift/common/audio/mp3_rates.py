"""Lists the sample rates and constant bit rates that an MP3 can have."""

from __future__ import annotations

SAMPLE_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""In Hz: three each of MPEG-2.5, MPEG-2 (ISO/IEC 13818-3) and MPEG-1 (ISO/IEC 11172-3)."""

BITRATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
"""In kbit/s: those of MPEG-1, layer III."""


def highest_bitrate(sample_rate: int) -> int:
    """Return the highest of BITRATES, in kbit/s, that LAME makes at a sample rate in Hz.

    MPEG-2 has no more than 160. MPEG-2.5 has those, too, but LAME makes 64 of all that is higher.
    """
    if sample_rate <= 12000:
        return 64
    return 160 if sample_rate <= 24000 else 320
