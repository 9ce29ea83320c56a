"""The format of an upload, as its first bytes show it."""

from __future__ import annotations

from soundlift.common.audio.formats import FORMAT_NAMES, is_known_format
from soundlift.common.errors import UnsupportedMedia


def require_known_format(beginning: bytes) -> None:
    """Raise UnsupportedMedia unless a file that begins with these bytes, at most SIGNATURE_BYTES, may be a video."""
    if not is_known_format(beginning):
        raise UnsupportedMedia(f"This is not a media file in a supported format: {FORMAT_NAMES}.")
