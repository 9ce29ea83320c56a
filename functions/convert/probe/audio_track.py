"""An audio track of a media file."""

from __future__ import annotations

import re
from dataclasses import dataclass

CHANNELS = {"mono": 1, "1 channels": 1, "stereo": 2, "2 channels": 2, "downmix": 2}
MORE_THAN_STEREO = 3
UNKNOWN_LAYOUT = re.compile(r"([0-9]{1,9}) channels")
NAMED_LAYOUT = re.compile(r"([0-9]{1,9}) channels \(.*\)")
AMBISONIC_LAYOUT = re.compile(r"ambisonic ([0-9]{1,4})")
MAX_CHANNELS = 64  # SWR_CH_MAX, the limit of FFmpeg's resampler
UNDECODABLE = ("none", "unknown")


@dataclass(frozen=True)
class AudioTrack:
    """An audio track: its `index` among all streams of the file, `rate` in Hz, and channel `layout` in FFmpeg's terms.

    `rate` and `layout` are None if FFmpeg does not report them, for example because it cannot decode the track.
    `start` is the first timestamp, in seconds on the container's clock. `bits` is the depth of its samples, 16 for a
    codec that has none; `is_float` means that they are floating-point numbers.
    """

    index: int
    codec: str
    rate: int | None
    layout: str | None
    language: str | None = None
    start: float = 0.0
    bits: int = 16
    is_float: bool = False

    @property
    def channels(self) -> int:
        """Return 1 for mono, 2 for stereo, and 3 for anything with more channels."""
        return CHANNELS.get(self.layout or "stereo", MORE_THAN_STEREO)

    @property
    def unordered_channels(self) -> int | None:
        """Return the number of channels if the file does not declare their positions, otherwise None."""
        match = UNKNOWN_LAYOUT.fullmatch(self.layout or "")
        return int(match[1]) if match else None

    @property
    def can_be_mixed(self) -> bool:
        """Return whether FFmpeg can mix this number of channels."""
        layout = self.layout or ""
        if ambisonic := AMBISONIC_LAYOUT.fullmatch(layout):
            return (int(ambisonic[1]) + 1) ** 2 <= MAX_CHANNELS
        match = UNKNOWN_LAYOUT.fullmatch(layout) or NAMED_LAYOUT.fullmatch(layout)
        return match is None or int(match[1]) <= MAX_CHANNELS

    @property
    def decodable(self) -> bool:
        """Return whether FFmpeg knows the codec."""
        return self.codec not in UNDECODABLE
