"""MP3, encoded by LAME, with tags in ID3v2.4."""

from __future__ import annotations

from pathlib import Path

from soundlift.common.audio import output_formats
from soundlift.common.audio.mp3_rates import SAMPLE_RATES, highest_bitrate
from soundlift.common.options.audio_options import AudioOptions

from ..failures import BROKEN, ConversionFailed
from ..probe.packets import Packets
from .id3 import build_id3_tag
from .mp3_copy import LEAD_FRAMES, complete_copy
from .mp3_frames import HeaderFrame, NotMp3
from .output_format import Head, OutputFormat, Sound, Tags
from .usual_format import UsualFormat

ENCODER = "Soundlift, with FFmpeg and LAME"


class Mp3(UsualFormat):
    """MPEG audio, layer III, in a file that contains only its frames."""

    facts = output_formats.MP3
    sample_rates = SAMPLE_RATES
    is_lossless = False
    carried_codecs = copied_codecs = frozenset({"mp3"})
    lead_packets = LEAD_FRAMES

    def codec(self, sound: Sound) -> str:
        """Return MP3, whatever the sound."""
        del sound
        return "mp3"

    def bitrate(self, options: AudioOptions, sound: Sound) -> int | None:
        """Return the requested bit rate, limited to the highest that LAME supports at the sample rate."""
        return None if options.bitrate is None else min(options.bitrate, highest_bitrate(sound.rate))

    def encoder_args(self, options: AudioOptions, sound: Sound) -> tuple[str, ...]:
        """Return the arguments for LAME, with a constant bit rate or a quality."""
        bitrate = self.bitrate(options, sound)
        quality = ("-q:a", str(options.quality)) if bitrate is None else ("-b:a", f"{bitrate}k")
        return ("-c:a", "libmp3lame", *quality)

    def container_args(self) -> tuple[str, ...]:
        """Return the arguments for a file without tags, because the tag is stored before the file."""
        return ("-map_metadata", "-1", "-id3v2_version", "0", "-f", "mp3")

    def complete_copy(self, path: Path, packets: Packets) -> int:
        """Write the header frame over that of FFmpeg, and mute frames whose data is missing; raises NotCopied."""
        return complete_copy(path, packets)

    def can_be_split(self, bitrate: int | None) -> bool:
        """Return True: the frames of several encoders can be joined."""
        del bitrate
        return True

    def write_length(self, path: Path, samples: int) -> None:
        """Write the length into the header frame, unless there is no sound.

        FFmpeg writes a padding of at most 1681 samples there; up to 46 more are needed if little of the last frame is
        sound.
        """
        if not samples:
            return
        try:
            with path.open("r+b") as file:
                header = HeaderFrame.at_start_of(file)
                file.seek(0)
                file.write(header.with_length(samples).data)
        except NotMp3:
            raise ConversionFailed(BROKEN) from None

    def read_length(self, path: Path) -> float:
        """Return the length in the header frame, without the encoder's delay and padding."""
        try:
            with path.open("rb") as file:
                header = HeaderFrame.at_start_of(file)
        except NotMp3:
            raise ConversionFailed(BROKEN) from None
        return max(0, header.samples) / header.rate

    def write_tags(self, path: Path, tags: Tags) -> Head:
        """Return an ID3 tag, which is stored before the file, so that the file is not rewritten."""
        del path
        return Head(build_id3_tag(tags, ENCODER))


MP3: OutputFormat = Mp3()
