"""The files of a GridFS store and the documents that they consist of."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from soundlift.common.media import MediaInfo, MediaStore, new_media_id

CHUNK = 255 * 1024
INFO = MediaInfo(owner="ada@example.org", file_name="ä.mp4", content_type="video/mp4", job_id="1" * 24)


def write_file(store: MediaStore, content: bytes, fid: str | None = None) -> str:
    fid = fid or new_media_id()
    writer = store.create(fid, INFO)
    writer.write(content)
    assert writer.commit() == len(content)
    return fid


def read_file(store: MediaStore, fid: str) -> bytes:
    with store.open(fid).file as file:
        return file.read()


def document_counts(database: Database[dict[str, Any]]) -> list[int]:
    return [database[name].count_documents({}) for name in ("fs.files", "fs.chunks", "fs.begun", "fs.tails")]
