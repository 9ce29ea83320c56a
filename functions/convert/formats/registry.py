"""The formats that a track can be converted to, and the one that a track is copied to as it is."""

from __future__ import annotations

from collections.abc import Mapping

from soundlift.common.audio.output_formats import ORIGINAL
from soundlift.common.options.audio_options import AudioOptions

from ..failures import ConversionFailed, no_container
from ..probe.audio_track import AudioTrack
from .flac import FLAC
from .m4a import M4A
from .mp3 import MP3
from .opus import OPUS
from .output_format import OutputFormat
from .wav import WAV

ENCODED: Mapping[str, OutputFormat] = {each.facts.name: each for each in (MP3, M4A, OPUS, FLAC, WAV)}
CARRIERS: Mapping[str, OutputFormat] = {
    codec: each for each in (MP3, M4A, OPUS, FLAC, WAV) for codec in each.copied_codecs
}


def format_for(track: AudioTrack, options: AudioOptions) -> OutputFormat:
    """Return the format that a job requests for a track; raises ConversionFailed if no format can carry its codec."""
    if options.format != ORIGINAL:
        return ENCODED[options.format]
    if track.codec not in CARRIERS:
        raise ConversionFailed(no_container(track.codec))
    return CARRIERS[track.codec]
