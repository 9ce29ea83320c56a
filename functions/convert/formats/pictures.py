"""The kinds of pictures that players show as a cover."""

from __future__ import annotations

PICTURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"GIF8": "image/gif", b"BM": "image/bmp"}


def picture_type(picture: bytes) -> str | None:
    """Return the media type of a picture, by its first bytes, or None if players do not support it."""
    return next((kind for magic, kind in PICTURES.items() if picture.startswith(magic)), None)
