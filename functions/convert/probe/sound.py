"""What a media file has to hear: its audio tracks, and when they begin and end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .declared_duration import UNKNOWN, Declared

CHANNELS = {"mono": 1, "1 channels": 1, "stereo": 2, "2 channels": 2, "downmix": 2}
MORE_THAN_STEREO = 3
UNKNOWN_LAYOUT = re.compile(r"([0-9]{1,9}) channels")
NAMED_LAYOUT = re.compile(r"([0-9]{1,9}) channels \(.*\)")
AMBISONIC_LAYOUT = re.compile(r"ambisonic ([0-9]{1,4})")
MOST_CHANNELS = 64
"""How many FFmpeg's resampler takes (SWR_CH_MAX), through which all sound goes."""
UNDECODABLE = ("none", "unknown")


@dataclass(frozen=True)
class Track:
    """Is one audio track: `index` among all streams of the file, `rate` in Hz, `layout` of channels as FFmpeg names it.

    `rate` and `layout` are None where FFmpeg does not say, as where it cannot decode the track. `start` is when
    its sound begins, in seconds of the container's own clock.
    """

    index: int
    codec: str
    rate: int | None
    layout: str | None
    language: str | None = None
    start: float = 0.0

    @property
    def channels(self) -> int:
        """Return 1 for mono, 2 for stereo, and 3 for all that has more."""
        return CHANNELS.get(self.layout or "stereo", MORE_THAN_STEREO)

    @property
    def loose_channels(self) -> int | None:
        """Return the number of channels where nothing says which is which, else None."""
        match = UNKNOWN_LAYOUT.fullmatch(self.layout or "")
        return int(match[1]) if match else None

    @property
    def can_be_mixed(self) -> bool:
        """Tell whether FFmpeg can mix as many channels as there are."""
        layout = self.layout or ""
        if ambisonic := AMBISONIC_LAYOUT.fullmatch(layout):
            return (int(ambisonic[1]) + 1) ** 2 <= MOST_CHANNELS
        match = UNKNOWN_LAYOUT.fullmatch(layout) or NAMED_LAYOUT.fullmatch(layout)
        return match is None or int(match[1]) <= MOST_CHANNELS

    @property
    def decodable(self) -> bool:
        """Tell whether FFmpeg knows the coding."""
        return self.codec not in UNDECODABLE


@dataclass(frozen=True)
class Sound:
    """Is what a file has to hear: its audio tracks, and the index of the one that FFmpeg began to decode, if it did.

    `start` and `length` are the container's, in seconds; `declared` is what the file's own header says, where FFmpeg
    tells only what is left. `lead` are the seconds by which other streams, such as subtitles, begin before all audio
    and video. `pictures` are the streams that hold cover art. `tags_on_track` tells that the file says of a track what
    others say of themselves, as Ogg does; `starts_anew`, that FFmpeg counts time from the first track it decodes, as in
    MPEG's streams; `length_is_of_sound`, that there is nothing else in the file, and the length is not estimated;
    `length_is_estimated`, that FFmpeg computed the length from a bit rate.
    """

    tracks: tuple[Track, ...]
    begun: int | None
    start: float
    length: float | None
    pictures: tuple[int, ...]
    tags_on_track: bool
    starts_anew: bool
    length_is_of_sound: bool
    declared: Declared = UNKNOWN
    lead: float = 0.0
    length_is_estimated: bool = False

    @property
    def chosen(self) -> Track:
        """Return the track to convert where a job names none: FFmpeg's choice, else the first that it can decode."""
        found = (track for track in self.tracks if track.index == self.begun)
        return next(found, None) or next(track for track in self.tracks if track.decodable)

    def silence_before(self, track: Track) -> float:
        """Return the seconds by which a track begins later than the file, where FFmpeg would forget them."""
        return max(0.0, track.start - self.start - self.lead) if self.starts_anew else 0.0


@dataclass(frozen=True)
class Decoded:
    """Is how much of a track was decoded, in frames and in samples of one channel, and how often that failed."""

    frames: int
    errors: int
    samples: int
