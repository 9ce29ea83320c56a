"""The decision whether a track is copied as it is instead of encoded again."""

from __future__ import annotations

from soundlift.common.audio.output_formats import ORIGINAL
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.options.copying import ALWAYS

from ..formats.output_format import OutputFormat
from ..probe.audio_track import AudioTrack


def must_be_copied(options: AudioOptions) -> bool:
    """Return whether a job requests a copy and nothing else."""
    return options.format == ORIGINAL or options.copy == ALWAYS


def reason_not_to_copy(track: AudioTrack, options: AudioOptions, output_format: OutputFormat) -> str | None:
    """Return why a track has to be encoded, or None if it can be copied."""
    if options.format == ORIGINAL:
        return None  # the format has been chosen because it carries the codec
    if track.codec not in output_format.copied_codecs:
        return f"it is {track.codec}, which is not stored in {output_format.facts.title} files"
    if options.channels is not None and options.channels != track.channels:
        return f"it does not have {options.channels} channels"
    if options.sample_rate is not None and (track.rate is None or track.rate > options.sample_rate):
        return f"its sample rate is above {options.sample_rate} Hz"
    return None
