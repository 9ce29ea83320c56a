"""PCM in a WAV file."""

from __future__ import annotations

from pathlib import Path

from soundlift.common.audio import output_formats
from soundlift.common.options.audio_options import AudioOptions

from ..failures import BROKEN, ConversionFailed
from .output_format import Head, OutputFormat, Sound, Tags


class Wav:
    """PCM in a WAV file."""

    facts = output_formats.WAV
    sample_rates = ()
    is_lossless = True
    copied_codecs = frozenset({"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"})

    def codec(self, sound: Sound) -> str:
        """Return FFmpeg's name of the codec."""
        if sound.is_float:
            return f"pcm_f{sound.bits}le"
        return "pcm_u8" if sound.bits == 8 else f"pcm_s{sound.bits}le"

    def bitrate(self, options: AudioOptions, sound: Sound) -> int | None:
        """Return the bit rate in kbit/s, None if it varies."""
        del options, sound
        return None

    def encoder_args(self, options: AudioOptions, sound: Sound) -> tuple[str, ...]:
        """Return the arguments for the encoder."""
        del options
        return ("-c:a", self.codec(sound))

    def container_args(self) -> tuple[str, ...]:
        """Return the arguments for the container."""
        return ("-map_metadata", "-1", "-map_chapters", "-1", "-f", "wav", "-rf64", "auto")

    def copy_args(self) -> tuple[str, ...]:
        """Return the arguments for the container of a copied track."""
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


WAV: OutputFormat = Wav()
