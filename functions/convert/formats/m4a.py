"""M4A: AAC-LC, encoded by FFmpeg, or a copied track in AAC or ALAC, in an MP4 with iTunes' tags.

FFmpeg writes the index of the file after the sound. The index is written anew, with the exact length and the tags, and
is stored before the sound, so that the file plays while it is downloaded. The sound itself is not moved.
"""

from __future__ import annotations

import os
from pathlib import Path

from soundlift.common.audio import output_formats
from soundlift.common.options.audio_options import AudioOptions

from ..failures import BROKEN, ConversionFailed
from ..probe.packets import Packets
from .itunes_tags import build_itunes_tags
from .languages import alpha_3
from .mp4_copy import complete_copy
from .mp4_index import NoSound, NotMp4
from .mp4_movie import Movie
from .output_format import Head, OutputFormat, Sound, Tags
from .usual_format import UsualFormat

DEFAULT_BITRATES = {1: 96, 2: 160}  # in kbit/s, by channels
FRAME = 1024  # samples that FFmpeg's encoder puts into a frame
# In bits for each sample of a channel: a frame of 1024 samples has at most 6144 for each (ISO/IEC 14496-3, 4.5.3.1).
MAX_BITS = 6


class M4a(UsualFormat):
    """AAC in an MP4 for audio."""

    facts = output_formats.M4A
    sample_rates = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # higher ones are not for all players
    is_lossless = False
    copied_codecs = frozenset({"aac"})
    carried_codecs = frozenset({"aac", "alac"})
    lead_packets = 3  # AAC needs the previous frame, and the one before for the high frequencies of HE-AAC

    def codec(self, sound: Sound) -> str:
        """Return FFmpeg's name of the codec."""
        del sound
        return "aac"

    def bitrate(self, options: AudioOptions, sound: Sound) -> int:
        """Return the requested average bit rate in kbit/s or the default, limited to the highest that AAC allows."""
        requested = options.bitrate or DEFAULT_BITRATES[sound.channels]
        return min(requested, MAX_BITS * sound.rate * sound.channels // 1000)

    def encoder_args(self, options: AudioOptions, sound: Sound) -> tuple[str, ...]:
        """Return the arguments for FFmpeg's encoder."""
        # With -ac, channels have positions, which the encoder needs and some containers do not have.
        return ("-c:a", "aac", "-ac", str(sound.channels), "-b:a", f"{self.bitrate(options, sound)}k")

    def container_args(self) -> tuple[str, ...]:
        """Return the arguments for an MP4 with the brand of M4A, whose index is after the sound."""
        return ("-map_metadata", "-1", "-map_chapters", "-1", "-f", "ipod")

    def complete_copy(self, path: Path, packets: Packets) -> int:
        """Write the exact times into the index; raises NotCopied if FFmpeg has not written the file as expected."""
        return complete_copy(path, packets)

    def write_length(self, path: Path, samples: int) -> None:
        """Write the length into the index, unless there is no sound."""
        if not samples:
            return
        try:
            found = Movie.read(path)
            found.with_frames(FRAME).with_length(samples, found.skip).write_index(path)
        except NotMp4:
            raise ConversionFailed(BROKEN) from None

    def read_length(self, path: Path) -> float:
        """Return the length in the index, without the encoder's delay and padding; 0 if nothing was encoded."""
        try:
            return Movie.read(path).seconds
        except NoSound:
            return 0.0
        except NotMp4:
            raise ConversionFailed(BROKEN) from None

    def write_tags(self, path: Path, tags: Tags) -> Head:
        """Return the index with the tags, which is stored before the sound, and cut it off the end of the file."""
        try:
            found = Movie.read(path)
        except NotMp4:
            raise ConversionFailed(BROKEN) from None
        os.truncate(path, found.layout.index)
        return found.head(build_itunes_tags(tags), alpha_3(tags.language), tags.chapters)


M4A: OutputFormat = M4a()
