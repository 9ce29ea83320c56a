"""Opus in an Ogg file."""

from __future__ import annotations

from pathlib import Path

from soundlift.common.audio import output_formats
from soundlift.common.options.audio_options import AudioOptions

from ..failures import BROKEN, ConversionFailed
from ..probe.audio_track import AudioTrack
from .output_format import Head, OutputFormat, Sound, Tags


class Opus:
    """Opus, encoded by libopus, in an Ogg file."""

    facts = output_formats.OPUS
    sample_rates = (48000,)
    is_lossless = False
    carried_codecs = copied_codecs = frozenset({"opus"})

    def codec(self, sound: Sound) -> str:
        """Return FFmpeg's name of the codec."""
        del sound
        return "opus"

    def bitrate(self, options: AudioOptions, sound: Sound) -> int | None:
        """Return the bit rate in kbit/s, None if it varies."""
        return options.bitrate or 64 * sound.channels

    def encoder_args(self, options: AudioOptions, sound: Sound) -> tuple[str, ...]:
        """Return the arguments for the encoder."""
        return ("-c:a", "libopus", "-b:a", f"{self.bitrate(options, sound)}k")

    def container_args(self) -> tuple[str, ...]:
        """Return the arguments for the container."""
        return ("-map_metadata", "-1", "-map_chapters", "-1", "-f", "opus")

    def copied_codec(self, track: AudioTrack) -> str:
        """Return the codec of the track."""
        return track.codec

    def copy_args(self, track: AudioTrack) -> tuple[str, ...]:
        """Return the arguments for the container of a copied track."""
        del track
        return self.container_args()

    def can_be_split(self, bitrate: int | None) -> bool:
        """Return False: the frames of this format depend on the ones before."""
        del bitrate
        return False

    def write_length(self, path: Path, samples: int) -> None:
        """Leave the file as it is: FFmpeg has written the exact length."""

    def read_length(self, path: Path) -> float:
        """Return the length of a file in seconds; raises ConversionFailed if it is unknown."""
        from mutagen import File

        file = File(path)
        if file is None:
            raise ConversionFailed(BROKEN)
        return float(file.info.length)

    def write_tags(self, path: Path, tags: Tags) -> Head:
        """Write no tags yet."""
        del path, tags
        return Head()


OPUS: OutputFormat = Opus()
