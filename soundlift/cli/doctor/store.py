"""Checks of the media store: a file is written, read in whole and in part, and deleted in each bucket."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from soundlift.cli.doctor.finding import Check, Finding, failed, ok, warning
from soundlift.common.errors import MediaNotFound
from soundlift.common.media import MediaInfo, MediaStore, new_media_id
from soundlift.common.services import Services
from soundlift.common.sizes import size_text

PART = "store"
PROBE_BYTES = 300 * 1024  # more than a chunk of GridFS
RANGE_START = 290 * 1024
NOT_DELETED = "grant the right to delete files, or expired ones stay forever"
ADVICE = {
    "file": "check the rights of the folder in MEDIA_URL, and the space on its disk",
    "mongodb": "check the host, the user and the password in MEDIA_URL, and that the server runs",
    "mongodb+srv": "check the host, the user and the password in MEDIA_URL, and that the server runs",
    "s3": "check bucket, keys, endpoint and region in MEDIA_URL, and the rights to put, get and delete objects",
}


def check_store(services: Services) -> Iterator[Finding]:
    """Yield one finding for each bucket, and one for the disk of a folder."""
    address = urlsplit(services.settings.media_url)
    folder = Path(url2pathname(address.path)) if address.scheme == "file" else None
    is_new = folder is not None and not folder.exists()
    for name in ("videos", "mp3s"):
        yield _probe(f"store {name}", getattr(services, name))
    if folder is not None:
        yield _check_disk(folder, services.settings.max_upload_bytes)
    if is_new:
        advice = "nothing, before the first start; otherwise correct MEDIA_URL, and remove the new folder"
        yield warning(PART, f"the folder {folder} did not exist yet, and was created", advice)


def store_check(media_url: str) -> Check:
    """Return the check, with advice for the kind of store."""
    return Check(PART, ADVICE.get(media_url.partition("://")[0], "check MEDIA_URL"), check_store)


def _probe(part: str, store: MediaStore) -> Finding:
    began = time.monotonic()
    fid, content = new_media_id(), os.urandom(PROBE_BYTES)
    info = MediaInfo(owner="soundlift doctor", file_name="probe", content_type="application/octet-stream", job_id=fid)
    try:
        _write(store, fid, info, content)
        wrong = _read_error(store, fid, content)
    finally:
        store.delete(fid)
    if wrong:
        return failed(part, wrong, "check the store, and proxies in front of it")
    if _exists(store, fid):
        return failed(part, "a deleted file still exists", NOT_DELETED)
    return ok(part, f"a file was written, read and deleted in {time.monotonic() - began:.2f} s")


def _write(store: MediaStore, fid: str, info: MediaInfo, content: bytes) -> None:
    writer = store.create(fid, info)
    try:
        writer.write(content)
        writer.commit()
    except BaseException:
        writer.abort()
        raise


def _read_error(store: MediaStore, fid: str, content: bytes) -> str:
    """Return what is wrong with what the store returns, or an empty text."""
    reader = store.open(fid)
    with closing(reader.file) as file:
        if reader.size != len(content):
            return f"{len(content)} bytes were written, but the file has {reader.size}"
        file.seek(RANGE_START)
        if file.read(1024) != content[RANGE_START : RANGE_START + 1024]:
            return "a range of the file has other content than was written"
        file.seek(0)
        return "" if _read_all(file, len(content)) == content else "the file has other content than was written"


def _read_all(file: object, size: int) -> bytes:
    parts: list[bytes] = []
    while sum(map(len, parts)) < size and (part := file.read(size)):  # type: ignore[attr-defined]  # BinaryIO
        parts.append(part)
    return b"".join(parts)


def _exists(store: MediaStore, fid: str) -> bool:
    try:
        store.open(fid).file.close()
    except MediaNotFound:
        return False
    return True


def _check_disk(folder: Path, max_upload_bytes: int) -> Finding:
    usage = shutil.disk_usage(folder)
    detail = f"{size_text(usage.free)} of {size_text(usage.total)} are free for {folder}"
    if usage.free < 2 * max_upload_bytes:
        advice = "free some space, lower MAX_UPLOAD_BYTES or RETENTION_SECONDS, or use another disk"
        return warning("disk", f"{detail}, less than two uploads of the maximum size", advice)
    return ok("disk", detail)
