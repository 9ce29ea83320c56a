"""Finds how much of a sound could not be read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..failures import has_damage
from ..probe.ffmpeg_log import CONTEXT, own_lines, own_words
from ..probe.report import read_decoded
from ..probe.sound import Sound, Track

# What a file says of its length counts the codec's padding at either end, at most 2 × 2048 samples, as WMA's.
PADDING_SECONDS = 0.1
# A header that declares more than this many times the sound that could be read is not believed. Of an upload that broke
# off, far more than a thousandth came; numbers from a forged or garbled header may be anything.
MOST_DECLARED = 1000
# What the decoder says of bytes between the frames of an MP3, such as a tag or a picture.
NO_FRAME = re.compile(r"\[mp\w{1,16} @ 0x[0-9a-f]{1,16}\] Header missing")
FAILED_PACKET = re.compile(CONTEXT + r"Error submitting packet to decoder: .{1,99}")


@dataclass(frozen=True)
class Written:
    """What was written of a sound.

    `seconds` are those that the whole came to, with the silence put in for gaps, None where a part of it was asked for,
    or the timestamps are unreliable. `in_time` says that it was placed by timestamps, so that some is dropped where
    they overlap. `junk` are the packets between frames that are none.
    """

    seconds: float | None
    in_time: bool
    junk: int


def lost_seconds(report: str, sound: Sound, track: Track, written: Written) -> float | None:
    """Return the seconds of a track that could not be read or were dropped, None where that is unknown.

    A length proves nothing alone: a picture may well be longer than its sound. It does where FFmpeg stumbled, where the
    file's own header declares more than there is, and where there is no picture.
    """
    decoded = read_decoded(report, track)
    if not decoded.frames or not track.rate:
        return None
    seconds = decoded.samples / track.rate
    words = own_words(report)
    is_estimated = sound.length_is_estimated
    no_frames = max(written.junk, _count_no_frames(report, decoded.errors)) if is_estimated else 0
    skipped = max(0, decoded.errors - no_frames) * seconds / decoded.frames
    length = _credible_length(sound, seconds, is_estimated=is_estimated)
    if written.seconds is None:
        return round(skipped, 3)
    # Silence before a late start may hide some of it: whether FFmpeg put it there, as it does not in Ogg, is unknown.
    dropped = max(0.0, seconds - written.seconds - PADDING_SECONDS) if written.in_time else 0.0
    missing = length - (track.start - sound.start) - seconds
    if length and missing > PADDING_SECONDS and _is_damaged(words, sound, length, written.seconds):
        skipped = missing
    elif length:
        skipped = min(skipped, max(0.0, missing) + PADDING_SECONDS)
    return round(skipped + dropped, 3)


def _count_no_frames(report: str, errors: int) -> int:
    """Return at how many of the errors the decoder found no frame; of a long report, the middle is missing."""
    lines = own_lines(report)
    found = sum(NO_FRAME.fullmatch(line) is not None for line in lines)
    reported = sum(FAILED_PACKET.fullmatch(line) is not None for line in lines)
    return round(errors * found / max(found, reported, 1))


def _credible_length(sound: Sound, seconds: float, *, is_estimated: bool) -> float:
    """Return the length in seconds that a file declares, 0 where it is unknown.

    An estimate by the bit rate does not count: it takes what lies before and between the frames for sound.
    """
    if not sound.declared.credible:
        return 0.0
    of_container = 0.0 if is_estimated else sound.length or 0.0
    length = max(of_container, sound.declared.seconds or 0.0)
    return length if length <= MOST_DECLARED * seconds else 0.0


def _is_damaged(words: str, sound: Sound, length: float, written: float) -> bool:
    """Tell whether it is for damage that a sound falls short of its length."""
    cut_off = (sound.declared.seconds or 0.0) > (sound.length or 0.0) + PADDING_SECONDS
    ended_early = sound.length_is_of_sound and length - written > PADDING_SECONDS
    return cut_off or ended_early or has_damage(words)
