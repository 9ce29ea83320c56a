"""Names why a video has no MP3 to give, and finds that out from how FFmpeg ended."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from soundlift.common.errors import Unavailable

from .log_lines import QUOTED


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
TOO_MANY_CHANNELS = Verdict("too_many_channels", "The sound has more channels than the 64 that we can mix.")
BROKEN = Verdict("broken", "The sound is damaged, so it cannot be read.")

# Each is searched in one line of FFmpeg's own, see log_lines. Such a line may quote a name from the file, too, so what
# overrules sound that was decoded is matched from its beginning to its end.
CONTEXT = r"(?:\[[^\]]{1,99} @ 0x[0-9a-f]{1,16}\] ){1,4}"
FAILING = "(?:Error|Decoding error|Could not|Failed to|Task finished|Terminating thread)"
SIGNS = (
    (re.compile(rf"^{CONTEXT}(?:Ext )?DRM protected stream detected, decoding will likely fail!$"), ENCRYPTED_SOUND),
    (re.compile(rf"^(?:{CONTEXT})?{FAILING}[A-Za-z0-9 :?()-]{{0,120}}Cannot allocate memory\)?$"), TOO_COMPLEX),
    (re.compile(r"moov atom not found|partial file|File ended prematurely|End of file", re.IGNORECASE), CUT_OFF),
    (re.compile(r"no decoder found for|Decoder .{1,99} not found|Unknown decoder", re.IGNORECASE), UNKNOWN_CODEC),
)
FINAL = (ENCRYPTED_SOUND, TOO_COMPLEX)  # whatever was decoded besides, it is noise, or a part that nobody asked for
LOADER_FAILED = 127  # where a shared library cannot be loaded, as when there is not even memory for that


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
    sign = sign_in(report)
    if sign in FINAL or (sign and not decoded):
        raise ConversionFailed(sign)
    if not decoded:
        raise ConversionFailed(EMPTY_AUDIO)
    if status != 0 or mp3_bytes == 0:
        raise ConversionFailed(BROKEN if status else NOTHING_LEFT)


def sign_in(report: str) -> Verdict | None:
    """Return the verdict that FFmpeg's own words in a report point to."""
    lines = own_lines(report)
    return next((verdict for pattern, verdict in SIGNS if any(map(pattern.search, lines))), None)


def own_words(report: str) -> str:
    """Return the report without what it quotes from the file: a title may well be "The End of File"."""
    return "\n".join(own_lines(report))


def own_lines(report: str) -> list[str]:
    """Return the lines of a report that are FFmpeg's own."""
    return [line for line in report.split("\n") if line and not line.startswith(QUOTED)]
