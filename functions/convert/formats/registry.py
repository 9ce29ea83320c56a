"""The formats that a track can be converted to, and the one that a track is copied to as it is."""

from __future__ import annotations

from collections.abc import Mapping

from soundlift.common.audio.output_formats import ORIGINAL
from soundlift.common.options.audio_options import AudioOptions

from ..failures import UNKNOWN_CODEC, ConversionFailed, no_container
from ..probe.audio_track import AudioTrack
from .codec_names import LOSSLESS, full_name
from .flac import FLAC
from .m4a import M4A
from .mp3 import MP3
from .ogg import OGG
from .opus import OPUS
from .output_format import OutputFormat
from .raw import AC3, DTS, EAC3
from .wav import WAV

ENCODED: Mapping[str, OutputFormat] = {each.facts.name: each for each in (MP3, M4A, OPUS, FLAC, WAV)}
CARRIERS: Mapping[str, OutputFormat] = {
    codec: each for each in (*ENCODED.values(), OGG, AC3, EAC3, DTS) for codec in each.carried_codecs
}


def format_for(track: AudioTrack, options: AudioOptions) -> OutputFormat:
    """Return the format that a job requests for a track; raises ConversionFailed if no format can carry its codec."""
    if options.format != ORIGINAL:
        return ENCODED[options.format]
    if not track.decodable:
        raise ConversionFailed(UNKNOWN_CODEC)
    if track.codec not in CARRIERS:
        formats = "flac or wav" if track.codec in LOSSLESS else "mp3, m4a or opus"
        raise ConversionFailed(no_container(full_name(track.codec), formats))
    return CARRIERS[track.codec]
