"""The headers of AAC frames in ADTS (ISO/IEC 13818-7, section 6.2), as in MPEG-TS and raw streams."""

from __future__ import annotations

from typing import BinaryIO

from .audio_track import AudioTrack
from .probe import Probe

CONTAINERS = frozenset({"aac", "mpeg", "mpegts"})
HEADER_BYTES = 7
# In the header's first 32 bits: the sync word with the layer, and the version, profile, sample rate and channels.
SYNC_MASK, SYNC = 0xFFF60000, 0xFFF00000
CONFIGURATION = 0x0008FDC0
LENGTH_MASK, LENGTH_SHIFT = 2**13 - 1, 13  # in all 56 bits


def has_headers(probe: Probe, track: AudioTrack) -> bool:
    """Return whether the frames of a track have headers."""
    return track.codec == "aac" and probe.container in CONTAINERS


def has_one_configuration(frames: BinaryIO) -> bool:
    """Return whether all frames of a stream have the same sample rate, channels and profile.

    An MP4 has one configuration for all frames of a track.
    """
    found = set[int]()
    while header := frames.read(HEADER_BYTES):
        bits = int.from_bytes(header)
        length = bits >> LENGTH_SHIFT & LENGTH_MASK
        if len(header) < HEADER_BYTES or bits >> 24 & SYNC_MASK != SYNC or length < HEADER_BYTES:
            return False
        frames.read(length - HEADER_BYTES)
        found.add(bits >> 24 & CONFIGURATION)
    return len(found) == 1
