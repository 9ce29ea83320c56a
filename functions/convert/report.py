"""Reads what FFmpeg says of a file, and turns it into the sentence that its owner is told."""

from __future__ import annotations

import re
import signal
import warnings
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


@dataclass(frozen=True)
class Sound:
    """Is the audio that FFmpeg found: `rate` in Hz and `length` in seconds, None where it does not say.

    `tags` names what the file says of itself; `tags_on_stream` tells that it says so at the audio stream, as Ogg does.
    """

    rate: int | None
    length: float | None
    tags: frozenset[str]
    tags_on_stream: bool


AUDIO_STREAM = re.compile(r"^  Stream #\d+:\d+\S*: Audio: (?P<codec>\w+)(?P<more>.*)$", re.MULTILINE)
ANY_STREAM = re.compile(r"^  Stream #\d+:\d+", re.MULTILINE)
TAG = re.compile(r"^ {4}(?: {2})?(?P<name>[^\s=:][^\n=:]{0,99}?) *: ", re.MULTILINE)
OGG = re.compile(r"^Input #0, ogg", re.MULTILINE)
INDENTED = re.compile(r"^ .*$", re.MULTILINE)  # what FFmpeg tells of the file, and quotes from it, such as a title

NO_AUDIO = Verdict("no_audio", "The video has no sound: there is no audio track in it.")
NOT_MEDIA = Verdict("not_media", "This is not a video or audio file that we can read.")
CUT_OFF = Verdict("cut_off", "The file is cut off: its end is missing. Upload it again, whole.")
ENCRYPTED_SOUND = Verdict("drm_protected", "The video is copy-protected (DRM), so its sound cannot be read.")
UNKNOWN_CODEC = Verdict("unknown_codec", "The sound is in a coding that we do not know.")
EMPTY_AUDIO = Verdict("empty_audio", "The video's audio track is empty: there is no sound in it.")
TOO_LONG = Verdict("too_long", "The conversion took too long and was stopped. Try a shorter video.")
TOO_LARGE = Verdict("too_large", "The MP3 would be larger than we may store. Try a shorter video.")
TOO_COMPLEX = Verdict("too_complex", "Reading this file takes more memory than we give to one video.")
BROKEN = Verdict("broken", "The sound is damaged, so it cannot be read to its end.")

SIGNS = (
    (re.compile(r"DRM protected stream"), ENCRYPTED_SOUND),
    (re.compile(r"moov atom not found|partial file|File ended prematurely|End of file", re.IGNORECASE), CUT_OFF),
    (re.compile(r"no decoder found for|Decoder .* not found|Unknown decoder", re.IGNORECASE), UNKNOWN_CODEC),
    (re.compile(r"Cannot allocate memory", re.IGNORECASE), TOO_COMPLEX),
)
LOADER_FAILED = 127  # where a shared library cannot be loaded, as when there is not even memory for that
DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded")


def read_report(report: str) -> Sound:
    """Return the sound that a report of `ffmpeg -i` shows.

    Raises ConversionFailed where it shows none that can be decoded.
    """
    streams = list(AUDIO_STREAM.finditer(report))
    if not streams:
        if ANY_STREAM.search(report):
            raise ConversionFailed(NO_AUDIO)
        raise ConversionFailed(_sign_in(report) or NOT_MEDIA)
    if all(stream["codec"] in ("none", "unknown") for stream in streams):
        raise ConversionFailed(UNKNOWN_CODEC)
    rates = [int(match[1]) for stream in streams if (match := re.search(r"(\d+) Hz", stream["more"]))]
    return Sound(
        rate=rates[0] if len(set(rates)) == 1 else None,
        length=_length(report),
        tags=frozenset(match["name"] for match in TAG.finditer(report)),
        tags_on_stream=OGG.search(report) is not None,
    )


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


def check_outcome(status: int, report: str, *, seconds: float, mp3_bytes: int, most_bytes: int) -> None:
    """Raise ConversionFailed unless FFmpeg made a whole MP3, and Unavailable where that says nothing of the video."""
    if mp3_bytes >= most_bytes:
        raise ConversionFailed(TOO_LARGE)
    if DISK_FULL.search(_own_words(report)):
        raise Unavailable("The worker's disk is full; the job is tried again.", retry_after=60)
    sign = _sign_in(report)
    if sign is not None:
        raise ConversionFailed(sign)
    if seconds <= 0 or mp3_bytes == 0:
        raise ConversionFailed(EMPTY_AUDIO)
    if status != 0:
        raise ConversionFailed(BROKEN)


def _sign_in(report: str) -> Verdict | None:
    words = _own_words(report)
    return next((verdict for pattern, verdict in SIGNS if pattern.search(words)), None)


def _own_words(report: str) -> str:
    """Return the report without what it quotes from the file: a title may well be "The End of File"."""
    return INDENTED.sub("", report)


def _length(report: str) -> float | None:
    """Return the length that MoviePy reads from the report, in seconds; it raises on some files that are good."""
    from moviepy.video.io.ffmpeg_reader import FFmpegInfosParser

    try:
        with warnings.catch_warnings(action="ignore"):  # it warns of subtitles, which do not concern us
            parsed = FFmpegInfosParser("\n" + report, "video").parse()
    except Exception:  # whatever it stumbles over, the sound is not to blame
        return None
    length = parsed.get("duration")
    return length if isinstance(length, float) and length > 0 else None
