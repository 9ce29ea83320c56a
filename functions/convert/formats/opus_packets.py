"""The lengths of Opus packets (RFC 6716, section 3.1)."""

from __future__ import annotations

RATE = 48000  # of all positions and lengths (RFC 7845, section 4)
SILK_MILLISECONDS, HYBRID_MILLISECONDS, CELT_MILLISECONDS = (10, 20, 40, 60), (10, 20), (2.5, 5, 10, 20)
FIRST_HYBRID, FIRST_CELT = 12, 16
FRAMES = {0: 1, 1: 2, 2: 2}
MAX_FRAMES = 0x3F


def count_samples(packet: bytes) -> int:
    """Return how many samples per channel a packet decodes to, 0 if it is empty or incomplete."""
    if not packet:
        return 0
    return round(_frame_milliseconds(packet[0] >> 3) * RATE / 1000) * _count_frames(packet)


def _frame_milliseconds(configuration: int) -> float:
    if configuration < FIRST_HYBRID:
        return SILK_MILLISECONDS[configuration % 4]
    if configuration < FIRST_CELT:
        return HYBRID_MILLISECONDS[configuration % 2]
    return CELT_MILLISECONDS[configuration % 4]


def _count_frames(packet: bytes) -> int:
    code = packet[0] & 3
    if code in FRAMES:
        return FRAMES[code]
    return packet[1] & MAX_FRAMES if len(packet) > 1 else 0
