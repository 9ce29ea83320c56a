"""What most formats have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..probe.audio_track import AudioTrack


class UsualFormat(ABC):
    """A format in which a copied track is stored like an encoded one, and that only one encoder can write."""

    @abstractmethod
    def container_args(self) -> tuple[str, ...]:
        """Return FFmpeg's arguments for the container, without any metadata."""

    def copied_codec(self, track: AudioTrack) -> str:
        """Return the codec of the track."""
        return track.codec

    def copy_args(self, track: AudioTrack) -> tuple[str, ...]:
        """Return the arguments for the container of an encoded file."""
        del track
        return self.container_args()

    def can_be_split(self, bitrate: int | None) -> bool:
        """Return False: only frames of MP3 can be joined."""
        del bitrate
        return False
