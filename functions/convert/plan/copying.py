"""The decision whether a track is copied as it is instead of encoded again."""

from __future__ import annotations

from soundlift.common.audio.output_formats import ORIGINAL
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.options.copying import ALWAYS

from ..formats.output_format import OutputFormat
from ..probe.audio_track import AudioTrack
from ..probe.packets import MAX_SHIFT_SECONDS, Packets


def must_be_copied(options: AudioOptions) -> bool:
    """Return whether a job requests a copy and nothing else."""
    return options.format == ORIGINAL or options.copy == ALWAYS


def is_cut(options: AudioOptions) -> bool:
    """Return whether a job requests only a part of the sound."""
    return bool(options.start) or options.end is not None


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
    return None if must_be_copied(options) else _reason_to_encode(track, options)


def _reason_to_encode(track: AudioTrack, options: AudioOptions) -> str | None:
    """Return why a copy may not be exactly what a job requests, or None."""
    if track.rate is None:
        return "its sample rate is unknown"
    if is_cut(options):
        return "only a part of it was requested"
    return None if options.normalize is None else "its loudness is to be changed"


def difference_of_copy(packets: Packets, *, late: float, by_timestamps: bool) -> str | None:
    """Return why a copy would sound different from an encoded file, or None.

    The track begins `late` seconds after its first timestamp. A file without timestamps has neither silence before a
    late start nor gaps.
    """
    if not packets.is_regular:
        return "some of its packets are damaged or trimmed"
    if by_timestamps and abs(packets.start + late) > MAX_SHIFT_SECONDS:
        return "it does not begin at the start of the file"
    if by_timestamps and not packets.is_steady:
        return "its timestamps have gaps or overlaps"
    return None
