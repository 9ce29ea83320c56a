"""The contents of a media file: its audio tracks, durations and metadata."""

from __future__ import annotations

from dataclasses import dataclass

from .audio_track import AudioTrack
from .declared_duration import UNKNOWN, DeclaredDuration
from .metadata import NO_METADATA, Metadata

# Demuxers of raw streams. FFmpeg computes their timestamps from the position of a frame in the file, so bytes between
# two frames that are not audio would become silence.
WITHOUT_TIMESTAMPS = frozenset({"aac", "ac3", "amr", "dts", "eac3", "mp3"})
TIME_FROM_FIRST_TRACK = ("mpeg", "mpegts")


@dataclass(frozen=True)
class Probe:
    """The result of probing a media file.

    `container` is the first name of FFmpeg's demuxer, `default_track` the index of the stream that FFmpeg selects.
    `start` and `duration` are the container's, in seconds; `declared` is the duration in the file's own header, which
    includes what is missing from the file. `lead` is the number of seconds by which other streams, such as subtitles,
    begin before all audio and video. `pictures` are the indexes of streams with cover art. `is_audio_only` means that
    the file has no other streams, `duration_is_estimated` that FFmpeg computed the duration from a bit rate.
    """

    tracks: tuple[AudioTrack, ...]
    default_track: int | None
    container: str = ""
    start: float = 0.0
    duration: float | None = None
    lead: float = 0.0
    pictures: tuple[int, ...] = ()
    is_audio_only: bool = False
    duration_is_estimated: bool = False
    declared: DeclaredDuration = UNKNOWN
    metadata: Metadata = NO_METADATA

    @property
    def has_timestamps(self) -> bool:
        """Return whether the container has timestamps."""
        return self.container not in WITHOUT_TIMESTAMPS

    @property
    def has_tags_on_tracks(self) -> bool:
        """Return whether the tags belong to a track, not to the file, as in Ogg."""
        return self.container == "ogg"

    @property
    def time_starts_with_first_track(self) -> bool:
        """Return whether FFmpeg counts time from the first track that it decodes, as it does in MPEG streams."""
        return self.container in TIME_FROM_FIRST_TRACK

    @property
    def preferred_track(self) -> AudioTrack:
        """Return the track that FFmpeg selects, or else the first one that can be decoded."""
        found = (track for track in self.tracks if track.index == self.default_track)
        return next(found, None) or next(track for track in self.tracks if track.decodable)

    def silence_before(self, track: AudioTrack) -> float:
        """Return the seconds by which a track begins after the file, if FFmpeg would drop them."""
        return max(0.0, track.start - self.start - self.lead) if self.time_starts_with_first_track else 0.0
