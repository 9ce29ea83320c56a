"""How much of a sound is missing: what could not be read or was dropped."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..encode.run_statistics import read_decoded
from ..failures import has_damage
from ..probe.audio_track import AudioTrack
from ..probe.ffmpeg_log import CONTEXT, own_lines, own_text
from ..probe.probe import Probe

# A container's duration includes the codec's padding at either end, at most 2 × 2048 samples (WMA).
PADDING_SECONDS = 0.1
# A header that declares more than this many times the sound that could be read is not credible. Far more than a
# thousandth of an interrupted upload arrives; a forged or garbled header may declare anything.
MAX_DECLARED_RATIO = 1000
# What the decoder reports for bytes between the frames of an MP3, such as a tag or a picture.
NO_FRAME = re.compile(r"\[mp\w{1,16} @ 0x[0-9a-f]{1,16}\] Header missing")
FAILED_PACKET = re.compile(CONTEXT + r"Error submitting packet to decoder: .{1,99}")


@dataclass(frozen=True)
class Written:
    """What was written of a sound.

    `seconds` is the length of the whole sound with the silence that fills gaps, None if only a part was requested or
    the timestamps are unreliable. `by_timestamps`: the sound was placed by its timestamps, so parts that overlap were
    dropped. `junk` is the number of packets that are not frames.
    """

    seconds: float | None
    by_timestamps: bool
    junk: int


def missing_seconds(report: str, probe: Probe, track: AudioTrack, written: Written) -> float | None:
    """Return the seconds of a track that could not be read or were dropped, None if unknown.

    A container's duration alone is no evidence, since the picture may be longer than the sound. It is if FFmpeg
    reported damage, if the file's own header declares more than there is, or if there is no picture.
    """
    decoded = read_decoded(report, track.index)
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
    # Silence before a late start may hide some of it; whether FFmpeg added any, which it does not for Ogg, is unknown.
    dropped = max(0.0, seconds - written.seconds - PADDING_SECONDS) if written.by_timestamps else 0.0
    missing = length - (track.start - probe.start) - seconds
    if length and missing > PADDING_SECONDS and _is_damaged(messages, probe, length, written.seconds):
        skipped = missing
    elif length:
        skipped = min(skipped, max(0.0, missing) + PADDING_SECONDS)
    return round(skipped + dropped, 3)


def _count_no_frames(report: str, errors: int) -> int:
    """Return at how many of the errors the decoder found no frame, estimated because a long report lacks its middle."""
    lines = own_lines(report)
    found = sum(NO_FRAME.fullmatch(line) is not None for line in lines)
    reported = sum(FAILED_PACKET.fullmatch(line) is not None for line in lines)
    return round(errors * found / max(found, reported, 1))


def _credible_length(probe: Probe, seconds: float) -> float:
    """Return the length in seconds that a file declares, 0 if unknown.

    An estimate from the bit rate does not count: it includes bytes before and between the frames.
    """
    if not probe.declared.credible:
        return 0.0
    of_container = 0.0 if probe.duration_is_estimated else probe.duration or 0.0
    length = max(of_container, probe.declared.seconds or 0.0)
    return length if length <= MAX_DECLARED_RATIO * seconds else 0.0


def _is_damaged(messages: str, probe: Probe, length: float, written: float) -> bool:
    """Return whether a sound is shorter than the file declares because of damage."""
    cut_off = (probe.declared.seconds or 0.0) > (probe.duration or 0.0) + PADDING_SECONDS
    ended_early = probe.is_audio_only and not probe.duration_is_estimated and length - written > PADDING_SECONDS
    return cut_off or ended_early or has_damage(messages)
