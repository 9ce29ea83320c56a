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
# The layouts whose names are not their numbers of channels, such as 5.1(side) or 7.1.4.
NUMBERED_LAYOUT = re.compile(r"([0-9]{1,2})\.([0-9])(?:\.([0-9]))?(?:\([a-z-]{1,9}\))?")
CHANNEL_COUNTS = CHANNELS | {
    "binaural": 2,
    "quad": 4,
    "quad(side)": 4,
    "hexagonal": 6,
    "octagonal": 8,
    "cube": 8,
    "hexadecagonal": 16,
}
LOSSY_BITS = 16
INTEGER_BITS = {"u8": 8, "s16": 16, "s32": 32, "s64": 64}
FLOAT_BITS = {"flt": 32, "dbl": 64}
# Codecs that preserve samples which FFmpeg decodes to floating-point numbers. It decodes lossy codecs to them, too.
FLOAT_CODECS = ("pcm_f", "wavpack", "mp4als", "dsd_", "dst")


@dataclass(frozen=True)
class AudioTrack:
    """An audio track: its `index` among all streams of the file, `rate` in Hz, and channel `layout` in FFmpeg's terms.

    `rate` and `layout` are None if FFmpeg does not report them, for example because it cannot decode the track.
    `start` is the first timestamp, in seconds on the container's clock. `sample_format` is FFmpeg's name for what the
    codec is decoded to, without the `p` of planar formats, and `significant_bits` the number of bits of a sample that
    are used, None if unknown.
    """

    index: int
    codec: str
    rate: int | None
    layout: str | None
    language: str | None = None
    start: float = 0.0
    sample_format: str | None = None
    significant_bits: int | None = None

    @property
    def is_float(self) -> bool:
        """Return whether the samples are floating-point numbers in the file itself, not only once they are decoded."""
        return self.sample_format in FLOAT_BITS and self.codec.startswith(FLOAT_CODECS)

    @property
    def bits(self) -> int:
        """Return the bits of a sample that preserve the sound: those of the source, or 16 if its codec is lossy."""
        if self.is_float:
            return FLOAT_BITS[self.sample_format or ""]
        bits = INTEGER_BITS.get(self.sample_format or "", LOSSY_BITS)
        return min(bits, self.significant_bits or bits)

    @property
    def channel_count(self) -> int | None:
        """Return the number of channels, None if unknown."""
        layout = self.layout or ""
        if match := UNKNOWN_LAYOUT.fullmatch(layout) or NAMED_LAYOUT.fullmatch(layout):
            return int(match[1])
        if ambisonic := AMBISONIC_LAYOUT.fullmatch(layout):
            return (int(ambisonic[1]) + 1) ** 2
        if numbered := NUMBERED_LAYOUT.fullmatch(layout):
            return sum(int(number) for number in numbered.groups(default="0"))
        return CHANNEL_COUNTS.get(layout)

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
