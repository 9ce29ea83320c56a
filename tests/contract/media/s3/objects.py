"""The files of an S3 store and the objects that they are stored as."""

from __future__ import annotations

from typing import Any

from devservers.s3 import BUCKET
from soundlift.common.media import MediaInfo, MediaStore, new_media_id

MEGABYTE = 2**20
FOLDER = "some/prefix/videos"
INFO = MediaInfo(owner="ada@example.org", file_name="a.mp4", content_type="video/mp4", job_id="1" * 24)


def write_file(store: MediaStore, content: bytes, info: MediaInfo = INFO, fid: str | None = None) -> str:
    fid = fid or new_media_id()
    writer = store.create(fid, info)
    writer.write(content)
    writer.commit()
    return fid


def unfinished_uploads(client: Any, fid: str) -> list[Any]:
    found: list[Any] = client.list_multipart_uploads(Bucket=BUCKET, Prefix=f"{FOLDER}/{fid}").get("Uploads", [])
    return found
