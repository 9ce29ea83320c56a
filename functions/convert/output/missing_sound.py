"""The length of the sound that is missing because it could not be read or was dropped."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..encode.run_statistics import Decoded
from ..failures import has_damage
from ..probe.audio_track import AudioTrack
from ..probe.ffmpeg_log import CONTEXT, own_lines, own_text
from ..probe.probe import Probe

# A container's duration includes the codec's padding at both ends, at most 2 × 2048 samples (WMA).
PADDING_SECONDS = 0.1
# A header that declares more than this many times the readable sound is not credible: interrupted uploads lose far
# less, but forged or garbled headers may declare anything.
MAX_DECLARED_RATIO = 1000
# The decoder's message for bytes between the frames of an MP3, such as a tag or a picture.
NO_FRAME = re.compile(r"\[mp\w{1,16} @ 0x[0-9a-f]{1,16}\] Header missing")
FAILED_PACKET = re.compile(CONTEXT + r"Error submitting packet to decoder: .{1,99}")


@dataclass(frozen=True)
class Written:
    """The sound that was written.

    `seconds` is the length of the whole sound including the silence that fills gaps, None if only a part was requested
    or the timestamps are unreliable. `by_timestamps` means that the sound was placed by its timestamps, so overlapping
    parts were dropped. `junk` is the number of packets that are not frames.
    """

    seconds: float | None
    by_timestamps: bool
    junk: int


def missing_seconds(decoded: Decoded, report: str, probe: Probe, track: AudioTrack, written: Written) -> float | None:
    """Return the seconds of a track that could not be read or were dropped, None if unknown.

    A container's duration is evidence only if FFmpeg reported damage, if the file's own header declares more than the
    file contains, or if there is no picture, because a picture may be longer than the sound.
    """
    if not decoded.frames or not track.rate:
        return None
    seconds = decoded.samples / track.rate
    messages = own_text(report)
    is_estimated = probe.duration_is_estimated
    no_frames = max(written.junk, _count_no_frames(report, decoded.errors)) if is_estimated else 0
    skipped = max(0, decoded.errors - no_frames) * seconds / decoded.frames
    length = _credible_length(probe, seconds)
    if written.seconds is None:
        return round(skipped, 3)
    # Silence before a late start may hide some of the dropped sound. FFmpeg does not always add it (not for Ogg).
    dropped = max(0.0, seconds - written.seconds - PADDING_SECONDS) if written.by_timestamps else 0.0
    missing = length - (track.start - probe.start) - seconds
    if length and missing > PADDING_SECONDS and _is_damaged(messages, probe, length, written.seconds):
        skipped = missing
    elif length:
        skipped = min(skipped, max(0.0, missing) + PADDING_SECONDS)
    return round(skipped + dropped, 3)


def _count_no_frames(report: str, errors: int) -> int:
    """Return in how many cases the decoder found no frame, an estimate because long reports lack their middle."""
    lines = own_lines(report)
    found = sum(NO_FRAME.fullmatch(line) is not None for line in lines)
    reported = sum(FAILED_PACKET.fullmatch(line) is not None for line in lines)
    return round(errors * found / max(found, reported, 1))


def _credible_length(probe: Probe, seconds: float) -> float:
    """Return the length in seconds that a file declares, 0 if unknown.

    A duration estimated from the bit rate is ignored, because it includes bytes before and between the frames.
    """
    if not probe.declared.credible:
        return 0.0
    container_length = 0.0 if probe.duration_is_estimated else probe.duration or 0.0
    length = max(container_length, probe.declared.seconds or 0.0)
    return length if length <= MAX_DECLARED_RATIO * seconds else 0.0


def _is_damaged(messages: str, probe: Probe, length: float, written: float) -> bool:
    """Return whether a sound is shorter than the file declares because of damage."""
    cut_off = (probe.declared.seconds or 0.0) > (probe.duration or 0.0) + PADDING_SECONDS
    ended_early = probe.is_audio_only and not probe.duration_is_estimated and length - written > PADDING_SECONDS
    return cut_off or ended_early or has_damage(messages)
