"""The kinds of clips: how FFmpeg makes each, and what must become of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.factories.clips import replace_bytes, truncate

READY = "ready"
MP4_BEGINNING = b"\0\0\0\x18ftypisom\0\0\0\0isomiso2"
GARBAGE = MP4_BEGINNING + b"\x9d\x11\xf3" * 2000


def rename_codec(file: Path) -> Path:
    """Give the sound of a Matroska file a codec that does not exist."""
    return replace_bytes(file, b"A_AAC", b"A_XYZ")


@dataclass(frozen=True)
class Recipe:
    """How a kind of clip is made, and what may become of an upload of it.

    `outcomes` are `ready` and failure codes. If `refusals` has statuses, upload must refuse the clip with one of them.
    `change` makes a broken clip from a good one; `content` replaces FFmpeg.
    """

    suffix: str
    content_type: str = "video/mp4"
    sound: tuple[str, ...] = ("-c:a", "aac")
    picture: tuple[str, ...] = ("-c:v", "mpeg4")
    options: tuple[str, ...] = ()
    seconds: float = 1.0
    size: str = "32x32"
    whole: bool = True  # the sound has the length of the clip, rather than at most that
    outcomes: tuple[str, ...] = (READY,)
    refusals: tuple[int, ...] = ()
    change: Callable[[Path], object] | None = None
    content: bytes | None = None


GOOD = {
    "mp4": Recipe(".mp4"),
    "mp4-index-in-front": Recipe(".mp4", options=("-movflags", "+faststart")),
    "mp4-fragments": Recipe(".mp4", options=("-movflags", "+frag_keyframe+empty_moov")),
    "mov-pcm": Recipe(".mov", "video/quicktime", sound=("-c:a", "pcm_s16le")),
    "matroska": Recipe(".mkv", "video/x-matroska"),
    "webm-opus": Recipe(".webm", "video/webm", ("-ar", "48000", "-c:a", "libopus"), ("-c:v", "libvpx")),
    "avi-mp3": Recipe(".avi", "video/x-msvideo", ("-c:a", "libmp3lame")),
    "transport-stream": Recipe(".ts", "video/mp2t", ("-c:a", "mp2"), ("-c:v", "mpeg2video", "-r", "25")),
    "ogg-vorbis": Recipe(".ogv", "video/ogg", ("-c:a", "libvorbis"), ("-c:v", "libtheora")),
    "flac": Recipe(".flac", "audio/flac", ("-c:a", "flac"), ("-vn",)),
}
LARGE = {
    "large-mov": Recipe(".mov", "video/quicktime", ("-c:a", "pcm_s16le"), ("-c:v", "rawvideo"), size="640x480"),
}
LONG = {
    "long-mp4": Recipe(".mp4", picture=("-vn",), seconds=90.0),
}
BROKEN = {
    "no-audio": Recipe(".mp4", sound=("-an",), outcomes=("no_audio",)),
    "cut-before-index": Recipe(".mp4", outcomes=("cut_off",), change=lambda file: truncate(file, 0.6)),
    "cut-matroska": Recipe(
        ".mkv", "video/x-matroska", whole=False, seconds=3.0, change=lambda file: truncate(file, 0.7)
    ),
    "unknown-codec": Recipe(".mkv", "video/x-matroska", outcomes=("unknown_codec",), change=rename_codec),
    "garbage-with-signature": Recipe(".mp4", outcomes=("not_media", "cut_off"), content=GARBAGE),
    "text": Recipe(".mp4", outcomes=(), refusals=(415,), content=b"This is no video. " * 400),
    "empty": Recipe(".mp4", outcomes=(), refusals=(400,), content=b""),
}
RECIPES = {**GOOD, **LARGE, **LONG, **BROKEN}
SHARES = ((GOOD, 72), (BROKEN, 14), (LARGE, 8), (LONG, 6))  # per cent of the clips of a run
