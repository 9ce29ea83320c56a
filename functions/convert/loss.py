"""Finds how much of a sound could not be read."""

from __future__ import annotations

import re

from .report import Sound, Track, read_decoded
from .verdict import own_words

DAMAGE = re.compile(
    r"partial file|ended prematurely|End of file|Invalid data|corrupt|truncated|Error submitting", re.IGNORECASE
)
# What a file says of its length counts the codec's padding at either end, at most 2 × 2048 samples, as WMA's.
PADDING_SECONDS = 0.1


def lost_seconds(report: str, sound: Sound, track: Track, written: float | None) -> float | None:
    """Return the seconds of a track that could not be read, None where there is no telling.

    `written` are the seconds that the whole sound came to, with the silence put in for gaps; None where a part of it
    was asked for. A length proves nothing alone: a picture may well be longer than its sound. It does where FFmpeg
    stumbled, where the file's own header tells of more than there is, and where there is no picture.
    """
    decoded = read_decoded(report, track)
    if not decoded.frames or not track.rate:
        return None
    seconds = decoded.samples / track.rate
    skipped = decoded.errors * seconds / decoded.frames
    length = max(sound.length or 0.0, sound.told or 0.0)
    if not length or written is None:
        return round(skipped, 3)
    missing = length - (track.start - sound.start) - seconds
    if missing > PADDING_SECONDS and _is_damaged(report, sound, length, written):
        return round(missing, 3)
    return round(min(skipped, max(0.0, missing) + PADDING_SECONDS), 3)


def _is_damaged(report: str, sound: Sound, length: float, written: float) -> bool:
    """Tell whether it is for damage that a sound falls short of its length."""
    cut_off = (sound.told or 0.0) > (sound.length or 0.0) + PADDING_SECONDS
    ended_early = sound.length_is_of_sound and length - written > PADDING_SECONDS
    return cut_off or ended_early or DAMAGE.search(own_words(report)) is not None
