"""The format that a file name stands for, so that a file never has the suffix of another format than its own."""

from __future__ import annotations

from pathlib import Path

from soundlift.client.errors import BadArgument, OtherFormat
from soundlift.client.job import Job

ORIGINAL = "original"
REQUESTABLE = ("mp3", "m4a", "opus", "flac", "wav")
RESULTS = (*REQUESTABLE, "ogg", "ac3", "eac3", "dts")
"""The formats of audio files, which are their suffixes; the last are only those of copied tracks."""
OTHER_SUFFIXES = frozenset(
    (
        *("3g2", "3gp", "asf", "avi", "divx", "dv", "f4v", "flv", "m2t", "m2ts", "m2v", "m4v", "mjpeg", "mkv", "mov"),
        *("mp4", "mpeg", "mpg", "mts", "mxf", "nut", "ogm", "ogv", "qt", "rm", "rmvb", "ts", "vob", "webm", "wmv"),
        *("aac", "aif", "aiff", "alac", "amr", "ape", "au", "caf", "m4b", "mka", "mp2", "oga", "wave", "weba", "wma"),
        *("wtv", "wv", "zip"),
    )
)
"""Suffixes of audio, video and ZIP files in formats that are never made."""


def format_for(path: Path, requested: str | None) -> str | None:
    """Return the format to request for a path: the requested one, or else that of its suffix; None for the default.

    Raises BadArgument for the suffix of another format. Any suffix that stands for no medium is allowed.
    """
    suffix = path.suffix.lower().removeprefix(".")
    if requested is None and suffix in REQUESTABLE:
        return suffix
    if requested is None and suffix in (*RESULTS, *OTHER_SUFFIXES):
        known = ", ".join(f".{each}" for each in REQUESTABLE)
        raise BadArgument(f"{path} has the suffix .{suffix}, but videos are converted to {known}.")
    allowed = RESULTS if requested == ORIGINAL else (requested,)
    if suffix in (*RESULTS, *OTHER_SUFFIXES) and suffix not in allowed:
        raise BadArgument(f"{path} has the suffix .{suffix}, but the format is {requested}.")
    return requested


def check_format(path: Path, job: Job) -> None:
    """Raise OtherFormat if the audio file of a job that is ready has another format than the suffix of a path."""
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in (*RESULTS, *OTHER_SUFFIXES) and suffix != (job.format or "mp3"):
        raise OtherFormat(job, str(path))
