"""Raw AC-3, E-AC-3 and DTS: a copied track without any container, in which there is no place for tags."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from soundlift.common.audio import output_formats
from soundlift.common.audio.output_formats import AudioFormat

from ..failures import BROKEN, ConversionFailed
from ..probe.audio_track import AudioTrack
from ..probe.packets import Packets
from .copied_only import CopiedOnly
from .output_format import Head, NotCopied, Tags
from .raw_frames import AC3_SYNC, DTS_SYNC, ReadFrame, measure_seconds, read_ac3_frame, read_dts_frame


@dataclass(frozen=True)
class Raw(CopiedOnly):
    """The frames of a codec, which has the name of the format, one after another.

    FFmpeg and others decode an incomplete frame to a whole one if the codec `conceals_incomplete` ones.
    """

    facts: AudioFormat
    sync: re.Pattern[bytes]
    read_frame: ReadFrame
    conceals_incomplete: bool

    @property
    def carried_codecs(self) -> frozenset[str]:
        """The codec."""
        return frozenset({self.facts.name})

    @property
    def copied_codecs(self) -> frozenset[str]:
        """The codec."""
        return self.carried_codecs

    def copy_args(self, track: AudioTrack) -> tuple[str, ...]:
        """Return the arguments for a file that contains only the frames of the track."""
        del track
        return ("-f", self.facts.name)

    def complete_copy(self, path: Path, packets: Packets) -> int:
        """Leave the file as it is, and return the length of all frames in samples per channel.

        Raises NotCopied if players do not find most of them in such a file: FFmpeg also reads AC-3 with swapped bytes,
        in which a few bytes may look like a frame, and DTS without its core.
        """
        seconds = self._measure(path)
        if not seconds or seconds < packets.position(len(packets)) / 2:
            raise NotCopied(f"its {self.facts.title} frames are in a form that needs another container")
        return round(seconds * packets.rate)

    def read_length(self, path: Path) -> float:
        """Return the length of all frames in seconds; raises ConversionFailed if there is none."""
        seconds = self._measure(path)
        if not seconds:
            raise ConversionFailed(BROKEN)
        return seconds

    def _measure(self, path: Path) -> float:
        return measure_seconds(path, self.sync, self.read_frame, conceals_incomplete=self.conceals_incomplete)

    def write_tags(self, path: Path, tags: Tags) -> Head:
        """Write nothing."""
        del path, tags
        return Head()


AC3 = Raw(output_formats.AC3, AC3_SYNC, read_ac3_frame, conceals_incomplete=True)
EAC3 = Raw(output_formats.EAC3, AC3_SYNC, read_ac3_frame, conceals_incomplete=True)
DTS = Raw(output_formats.DTS, DTS_SYNC, read_dts_frame, conceals_incomplete=False)
