"""Names why a video has no MP3 to give, and finds that out from how FFmpeg ended."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from soundlift.common.errors import Unavailable

from .probe.ffmpeg_log import CONTEXT, own_lines
from .probe.sound import Decoded


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
TOO_COMPLEX = Verdict("too_complex", "The file needs more memory than one video is given, or has too much text.")
TOO_MANY_CHANNELS = Verdict(
    "too_many_channels", "Sound with more than 64 channels is not supported; upload a version with fewer channels."
)
BROKEN = Verdict("broken", "The sound is damaged, so it cannot be read.")

# Each is matched against a whole line of FFmpeg's own, see ffmpeg_log. Such a line may quote a name from the file, too,
# so none is searched for within it.
FAILING = r"(?:Error|Decoding error|Could not|Failed to|Task finished|Terminating thread)[A-Za-z0-9 :?()-]{0,120}"
ENDED = (
    r"(?:moov atom not found|(?:root atom|stream [0-9]{1,9},) offset 0x[0-9a-f]{1,16}: partial file"
    r"|failed to (?:find|seek to) [A-Za-z0-9@ ()-]{1,120} - partial file\?"
    r"|File ended prematurely(?: at pos\. [0-9]{1,20} \(0x[0-9a-f]{1,16}\))?"
    r"|(?:[Uu]nexpected|[Pp]remature) end of file)"
)
SIGNS = (
    (re.compile(rf"{CONTEXT}(?:Ext )?DRM protected stream detected, decoding will likely fail!"), ENCRYPTED_SOUND),
    (re.compile(rf"(?:{CONTEXT})?{FAILING}Cannot allocate memory\)?"), TOO_COMPLEX),
    (re.compile(rf"{CONTEXT}{ENDED}|(?:{CONTEXT})?{FAILING}End of file\)?"), CUT_OFF),
    (
        re.compile(
            rf"(?:{CONTEXT})?(?:Decoding requested, but no decoder found for: .{{1,99}}|{FAILING}Decoder not found\)?"
            r"|Decoder \(codec [a-z0-9_]{1,32}\) not found for input stream #0:[0-9]{1,9})"
        ),
        UNKNOWN_CODEC,
    ),
)
# No name of a file's is before the word that counts: FFmpeg quotes those behind "Unknown …" and "Unsupported …".
DAMAGE = re.compile(
    rf"^(?:{CONTEXT})?(?:{ENDED}|{FAILING}(?:End of file|Invalid data found when processing input)|Error submitting "
    r"|(?![Uu]n(?:known|supported))(?:[A-Za-z0-9]{1,20}[ ,:;]{1,2}){0,8}"
    r"(?:[Cc]orrupt|[Tt]runcated|Invalid data found when processing input))",
    re.MULTILINE,
)
FINAL = (ENCRYPTED_SOUND, TOO_COMPLEX)  # whatever was decoded besides, it is noise, or a part that nobody asked for
LOADER_FAILED = 127  # where a shared library cannot be loaded, as when there is not even memory for that


def no_such_track(wanted: int | str, tracks: int, languages: list[str]) -> Verdict:
    """Return the verdict on a video without the audio track that was asked for."""
    there = f"one audio track{', ' if languages else ''}" if tracks == 1 else f"{tracks} audio tracks: "
    named = f"{there}{', '.join(languages)}".removesuffix(": ")
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


def check_outcome(status: int, report: str, *, decoded: Decoded, mp3_bytes: int, most_bytes: int) -> None:
    """Raise ConversionFailed unless FFmpeg made an MP3 of what can be read, `decoded` telling how much of it it read.

    An MP3 of exactly `most_bytes` is not too large. Raises Unavailable where the end says nothing of the video.
    """
    if mp3_bytes > most_bytes:
        raise ConversionFailed(TOO_LARGE)
    sign = sign_in(report)
    if sign in FINAL or (sign and not decoded.samples):
        raise ConversionFailed(sign)
    if not decoded.samples:
        raise ConversionFailed(BROKEN if status or decoded.errors else EMPTY_AUDIO)
    if status != 0 or mp3_bytes == 0:
        raise ConversionFailed(BROKEN if status else NOTHING_LEFT)


def sign_in(report: str) -> Verdict | None:
    """Return the verdict that FFmpeg's own words in a report point to."""
    lines = own_lines(report)
    return next((verdict for pattern, verdict in SIGNS if any(map(pattern.fullmatch, lines))), None)


def has_damage(words: str) -> bool:
    """Return whether FFmpeg's own words say that a part of the file is damaged or missing."""
    return DAMAGE.search(words) is not None
