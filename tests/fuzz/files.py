"""Bodies of uploads: complete media files, their beginnings, and beginnings with other bytes behind them."""

from __future__ import annotations

from pathlib import Path

import schemathesis
from hypothesis import strategies as st

from tests.factories.clips import ffmpeg

MEDIA_TYPES = ("application/octet-stream", "application/offset+octet-stream", "video/mp4", "audio/mpeg")
SHORT = ("-f", "lavfi", "-i", "sine=duration=0.2:sample_rate=8000")
SUFFIXES = ("mp4", "mkv", "wav", "ogg", "flac", "mp3", "ts")
MAX_TAIL_BYTES = 300


def make_files(folder: Path) -> list[bytes]:
    """Return a media file of each of some formats."""
    return [ffmpeg(folder / f"short.{suffix}", *SHORT).read_bytes() for suffix in SUFFIXES]


@st.composite
def bodies(draw: st.DrawFn, files: list[bytes]) -> bytes:
    """Draw a file that passes the check of its format, or one that is almost such a file."""
    file = draw(st.sampled_from(files))
    length = draw(st.sampled_from([len(file), len(file) // 2, 1000, 200, 16, 4, 0]))
    return file[:length] + draw(st.binary(max_size=MAX_TAIL_BYTES))


def upload_real_files(files: list[bytes]) -> None:
    """Make Schemathesis send such bodies instead of random bytes, which never get past the check of the format."""
    for media_type in MEDIA_TYPES:
        schemathesis.openapi.media_type(media_type, bodies(files))
