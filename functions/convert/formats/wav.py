"""PCM in a WAV file, which becomes an RF64 above 4 GiB."""

from __future__ import annotations

import os
from pathlib import Path

from soundlift.common.audio import output_formats
from soundlift.common.options.audio_options import AudioOptions

from ..failures import BROKEN, ConversionFailed
from ..probe.audio_track import AudioTrack
from ..probe.packets import Packets
from .id3 import SOFTWARE, build_id3_tag
from .output_format import Head, OutputFormat, Sound, Tags
from .riff import NotWav, WavHeader, make_chunk
from .riff_info import build_info_list
from .usual_format import UsualFormat

DEPTHS = (16, 24, 32, 64)  # bits per sample of integers, besides 8, which are unsigned
LINEAR = frozenset(f"pcm_{samples}" for samples in ("u8", "s16le", "s24le", "s32le", "s64le", "f32le", "f64le"))
COMPANDED = frozenset({"pcm_alaw", "pcm_mulaw"})
# PCM in another byte order or packing, which FFmpeg decodes to the same samples.
REORDERED = frozenset(
    ["s302m"]
    + [f"pcm_{kind}{bits}be" for kind in "su" for bits in (16, 24, 32)]
    + [f"pcm_u{bits}le" for bits in (16, 24, 32)]
    + [f"pcm_s{bits}le_planar" for bits in (16, 24, 32)]
    + ["pcm_s8", "pcm_s8_planar", "pcm_s16be_planar", "pcm_s64be", "pcm_f16le", "pcm_f24le", "pcm_f32be", "pcm_f64be"]
    + ["pcm_bluray", "pcm_dvd", "pcm_lxf", "pcm_sga"]
)


class Wav(UsualFormat):
    """PCM in a WAV file, with tags in an INFO list, and in an ID3 tag for what that cannot hold."""

    facts = output_formats.WAV
    sample_rates = ()
    is_lossless = True
    copied_codecs = LINEAR | REORDERED
    carried_codecs = copied_codecs | COMPANDED
    lead_packets = 0

    def codec(self, sound: Sound) -> str:
        """Return the PCM with the fewest bits that has all bits of the sound."""
        if sound.is_float:
            return f"pcm_f{sound.bits}le"
        return "pcm_u8" if sound.bits <= 8 else f"pcm_s{min(bits for bits in DEPTHS if bits >= sound.bits)}le"

    def bitrate(self, options: AudioOptions, sound: Sound) -> int | None:
        """Return None, as the bit rate follows from the sound."""
        del options, sound
        return None

    def encoder_args(self, options: AudioOptions, sound: Sound) -> tuple[str, ...]:
        """Return the arguments for PCM."""
        del options
        return ("-c:a", self.codec(sound))

    def container_args(self) -> tuple[str, ...]:
        """Return the arguments for a file without tags; `bitexact` leaves out FFmpeg's version, and nothing else."""
        tags = ("-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact")
        return (*tags, "-f", "wav", "-rf64", "auto")

    def copied_codec(self, track: AudioTrack) -> str:
        """Return the codec of the track, or PCM with the same samples that can be stored."""
        if track.codec in LINEAR | COMPANDED:
            return track.codec
        return self.codec(Sound(track.rate or 0, track.channels, track.bits, track.is_float))

    def copy_args(self, track: AudioTrack) -> tuple[str, ...]:
        """Return the arguments for a copy, with samples in the order of bytes that WAV files have.

        FFmpeg decodes linear PCM, which changes no sample, in order to leave out those that an edit list excludes, as
        in a MOV that was cut without encoding it again: only a decoder does that within a packet.
        """
        codec = "copy" if track.codec in COMPANDED else self.copied_codec(track)
        return ("-c:a", codec, *self.container_args())

    def complete_copy(self, path: Path, packets: Packets) -> int:
        """Leave the file as it is, and return the length of its samples."""
        del packets
        return self._read_header(path).samples

    def write_length(self, path: Path, samples: int) -> None:
        """Leave the file as it is: FFmpeg has written the exact length."""

    def read_length(self, path: Path) -> float:
        """Return the length of the samples in seconds; raises ConversionFailed."""
        return self._read_header(path).seconds

    def _read_header(self, path: Path) -> WavHeader:
        with path.open("rb") as file:
            try:
                return WavHeader.read(file)
            except NotWav:
                raise ConversionFailed(BROKEN) from None

    def write_tags(self, path: Path, tags: Tags) -> Head:
        """Append the tags to the file, and write its new size into the header."""
        with path.open("r+b") as file:
            header = WavHeader.read(file)
            file.seek(header.end)
            file.write(build_info_list(tags, SOFTWARE))
            file.write(make_chunk(b"id3 ", build_id3_tag(tags)))
            size = file.seek(0, os.SEEK_CUR)
            file.seek(0)
            file.write(header.for_file(size))
        return Head()


WAV: OutputFormat = Wav()
