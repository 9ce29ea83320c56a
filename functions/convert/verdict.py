"""Names why a video has no MP3 to give, and finds that out from how FFmpeg ended."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from soundlift.common.errors import Unavailable


@dataclass(frozen=True)
class Verdict:
    """Is why a video has no MP3 to give: a code for programs, a sentence for its owner."""

    code: str
    sentence: str


class ConversionFailed(Exception):
    """Carries the verdict on a video to where its job is ended."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.sentence)
        self.verdict = verdict


NO_AUDIO = Verdict("no_audio", "The video has no sound: there is no audio track in it.")
NOT_MEDIA = Verdict("not_media", "This is not a video or audio file that we can read.")
CUT_OFF = Verdict("cut_off", "The file is cut off: its end is missing. Upload it again, whole.")
ENCRYPTED_SOUND = Verdict("drm_protected", "The video is copy-protected (DRM), so its sound cannot be read.")
UNKNOWN_CODEC = Verdict("unknown_codec", "The sound is in a coding that we do not know.")
EMPTY_AUDIO = Verdict("empty_audio", "The video's audio track is empty: there is no sound in it.")
NOTHING_LEFT = Verdict("nothing_left", "The sound ends before the start that was asked for.")
TOO_LONG = Verdict("too_long", "The conversion took too long and was stopped. Try a shorter video.")
TOO_LARGE = Verdict("too_large", "The MP3 would be larger than we may store. Try a shorter video.")
TOO_COMPLEX = Verdict("too_complex", "Reading this file takes more memory than we give to one video.")
BROKEN = Verdict("broken", "The sound is damaged, so it cannot be read.")

SIGNS = (
    (re.compile(r"DRM protected stream"), ENCRYPTED_SOUND),
    (re.compile(r"Cannot allocate memory", re.IGNORECASE), TOO_COMPLEX),
    (re.compile(r"moov atom not found|partial file|File ended prematurely|End of file", re.IGNORECASE), CUT_OFF),
    (re.compile(r"no decoder found for|Decoder .* not found|Unknown decoder", re.IGNORECASE), UNKNOWN_CODEC),
)
FINAL = (ENCRYPTED_SOUND, TOO_COMPLEX)  # whatever was decoded besides, it is noise, or a part that nobody asked for
LOADER_FAILED = 127  # where a shared library cannot be loaded, as when there is not even memory for that
DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded")
INDENTED = re.compile(r"^ .*$", re.MULTILINE)  # what FFmpeg tells of the file, and quotes from it, such as a title


def no_such_track(wanted: int | str, tracks: int, languages: list[str]) -> Verdict:
    """Return the verdict on a video without the audio track that was asked for."""
    there = f"one audio track{', ' if languages else ''}" if tracks == 1 else f"{tracks} audio tracks: "
    named = f"{there}{', '.join(languages)}".rstrip(": ")
    return Verdict("no_such_track", f"The video has no audio track {wanted}. It has {named}.")


def check_status(status: int) -> None:
    """Raise Unavailable where FFmpeg was killed or never began, ConversionFailed where it hit a limit or crashed."""
    if status in (-signal.SIGKILL, -signal.SIGTERM):
        raise Unavailable("FFmpeg was killed from outside; the job is tried again.")
    if status == LOADER_FAILED:
        raise Unavailable("FFmpeg cannot be started; the job is tried again.", retry_after=60)
    if status == -signal.SIGXCPU:
        raise ConversionFailed(TOO_LONG)
    if status == -signal.SIGXFSZ:
        raise ConversionFailed(TOO_LARGE)
    if status < 0:
        raise ConversionFailed(TOO_COMPLEX)


def check_outcome(status: int, report: str, *, decoded: bool, mp3_bytes: int, most_bytes: int) -> None:
    """Raise ConversionFailed unless FFmpeg made an MP3 of what can be read, `decoded` telling whether it read any.

    Raises Unavailable where the end says nothing of the video.
    """
    if mp3_bytes >= most_bytes:
        raise ConversionFailed(TOO_LARGE)
    if DISK_FULL.search(own_words(report)):
        raise Unavailable("The worker's disk is full; the job is tried again.", retry_after=60)
    sign = sign_in(report)
    if sign in FINAL or (sign and not decoded):
        raise ConversionFailed(sign)
    if not decoded:
        raise ConversionFailed(EMPTY_AUDIO)
    if status != 0 or mp3_bytes == 0:
        raise ConversionFailed(BROKEN if status else NOTHING_LEFT)


def sign_in(report: str) -> Verdict | None:
    """Return the verdict that FFmpeg's own words in a report point to."""
    words = own_words(report)
    return next((verdict for pattern, verdict in SIGNS if pattern.search(words)), None)


def own_words(report: str) -> str:
    """Return the report without what it quotes from the file: a title may well be "The End of File"."""
    return INDENTED.sub("", report)
