"""Reads what FFmpeg says of a file, and turns it into the sentence that its owner is told."""

from __future__ import annotations

import re
import signal
import warnings
from dataclasses import dataclass

from soundlift.common.errors import Unavailable


class ConversionFailed(Exception):
    """Is the verdict that a video has no MP3 to give: a code for programs, a sentence for its owner."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True)
class Sound:
    """Is the audio that FFmpeg found: `rate` in Hz and `length` in seconds, None where it does not say."""

    rate: int | None
    length: float | None


AUDIO_STREAM = re.compile(r"^  Stream #\d+:\d+\S*: Audio: (?P<codec>\w+)(?P<more>.*)$", re.MULTILINE)
ANY_STREAM = re.compile(r"^  Stream #\d+:\d+", re.MULTILINE)

NO_AUDIO = ConversionFailed("no_audio", "The video has no sound: there is no audio track in it.")
NOT_MEDIA = ConversionFailed("not_media", "This is not a video or audio file that we can read.")
CUT_OFF = ConversionFailed("cut_off", "The file is cut off: its end is missing. Upload it again, whole.")
ENCRYPTED_SOUND = ConversionFailed("drm_protected", "The video is copy-protected (DRM), so its sound cannot be read.")
UNKNOWN_CODEC = ConversionFailed("unknown_codec", "The sound is in a coding that we do not know.")
EMPTY_AUDIO = ConversionFailed("empty_audio", "The video's audio track is empty: there is no sound in it.")
TOO_LONG = ConversionFailed("too_long", "The conversion took too long and was stopped. Try a shorter video.")
TOO_LARGE = ConversionFailed("too_large", "The MP3 would be larger than we may store. Try a shorter video.")
TOO_COMPLEX = ConversionFailed("too_complex", "Reading this file takes more memory than we give to one video.")
BROKEN = ConversionFailed("broken", "The sound is damaged, so it cannot be read to its end.")

SIGNS = (
    (re.compile(r"DRM protected stream"), ENCRYPTED_SOUND),
    (re.compile(r"moov atom not found|partial file|File ended prematurely|End of file", re.IGNORECASE), CUT_OFF),
    (re.compile(r"no decoder found for|Decoder .* not found|Unknown decoder", re.IGNORECASE), UNKNOWN_CODEC),
    (re.compile(r"Cannot allocate memory", re.IGNORECASE), TOO_COMPLEX),
)


def read_report(report: str) -> Sound:
    """Return the sound that a report of `ffmpeg -i` shows.

    Raises ConversionFailed where it shows none that can be decoded.
    """
    streams = list(AUDIO_STREAM.finditer(report))
    if not streams:
        if ANY_STREAM.search(report):
            raise NO_AUDIO
        raise _sign_in(report) or NOT_MEDIA
    if all(stream["codec"] in ("none", "unknown") for stream in streams):
        raise UNKNOWN_CODEC
    rates = [int(match[1]) for stream in streams if (match := re.search(r"(\d+) Hz", stream["more"]))]
    return Sound(rate=rates[0] if len(set(rates)) == 1 else None, length=_length(report))


def check_outcome(status: int, report: str, *, seconds: float, mp3_bytes: int, most_bytes: int) -> None:
    """Raise ConversionFailed unless FFmpeg made a whole MP3, and Unavailable where that says nothing of the video."""
    if status in (-signal.SIGKILL, -signal.SIGTERM):
        raise Unavailable("FFmpeg was killed from outside; the job is tried again.")
    if status == -signal.SIGXCPU:
        raise TOO_LONG
    if status == -signal.SIGXFSZ or mp3_bytes >= most_bytes:
        raise TOO_LARGE
    sign = _sign_in(report)
    if sign is not None:
        raise sign
    if seconds <= 0 or mp3_bytes == 0:
        raise EMPTY_AUDIO
    if status != 0:
        raise BROKEN


def _sign_in(report: str) -> ConversionFailed | None:
    return next((failure for pattern, failure in SIGNS if pattern.search(report)), None)


def _length(report: str) -> float | None:
    """Return the length that MoviePy reads from the report, in seconds; it raises on some files that are good."""
    from moviepy.video.io.ffmpeg_reader import FFmpegInfosParser

    try:
        with warnings.catch_warnings(action="ignore"):  # it warns of subtitles, which do not concern us
            parsed = FFmpegInfosParser("\n" + report, "video").parse()
    except Exception:
        return None
    length = parsed.get("duration")
    return length if isinstance(length, float) and length > 0 else None
