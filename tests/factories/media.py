"""Stored media for tests."""

from __future__ import annotations

from soundlift.common.errors import MediaNotFound
from soundlift.common.media import MediaInfo, MediaStore


def store(media: MediaStore, fid: str, content: bytes) -> None:
    writer = media.create(fid, MediaInfo("ada@example.org", "a.mp4", "video/mp4", "job"))
    writer.write(content)
    writer.commit()


def is_stored(media: MediaStore, fid: str) -> bool:
    try:
        media.open(fid).file.close()
    except MediaNotFound:
        return False
    return True
