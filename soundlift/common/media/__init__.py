"""Defines the media-store port, and opens the store that MEDIA_URL names."""

from __future__ import annotations

import io
import re
import secrets
from dataclasses import dataclass
from typing import BinaryIO, Protocol, runtime_checkable
from urllib.parse import urlsplit
from urllib.request import url2pathname

from soundlift.common.errors import MediaNotFound, SettingError


@dataclass(frozen=True)
class MediaInfo:
    """Is what a store may keep beside the bytes, for people who look into it."""

    owner: str
    file_name: str
    content_type: str
    job_id: str


class MediaWriter(Protocol):
    """Takes the bytes of one new file. Nothing can be read under its id before `commit` has returned."""

    def write(self, data: bytes, /) -> int:
        """Add a chunk; raises StoreUnavailable."""
        ...

    def commit(self) -> int:
        """Make the file durable and readable, and return its size in bytes; raises StoreUnavailable."""
        ...

    def abort(self) -> None:
        """Forget what was written, as far as the store can be reached; never raises."""
        ...


@dataclass(frozen=True)
class MediaReader:
    """Is one stored file, `size` bytes long, open to be read.

    `file` is seekable and yields any byte range; reading it raises StoreUnavailable. Close it at the end.
    """

    size: int
    file: BinaryIO


class MediaStore(Protocol):
    """Keeps files by media id. The adapters are interchangeable: one contract suite runs over all."""

    def create(self, fid: str, info: MediaInfo) -> MediaWriter:
        """Begin a new file; raises StoreUnavailable."""
        ...

    def open(self, fid: str) -> MediaReader:
        """Open a whole file to read; raises MediaNotFound or StoreUnavailable."""
        ...

    def delete(self, fid: str) -> None:
        """Remove a file, and what an unfinished writer left of it. One that is not there is no error.

        Raises StoreUnavailable.
        """
        ...

    def check(self) -> None:
        """Raise StoreUnavailable unless the store answers."""
        ...


@runtime_checkable
class LocalFiles(Protocol):
    """A media store on this machine: another process can read its files from their descriptors."""

    def open_file(self, fid: str) -> io.FileIO:
        """Open a whole file to read, unbuffered; raises MediaNotFound or StoreUnavailable, also while it is read."""
        ...


def new_media_id() -> str:
    """Return a fresh media id: 24 hexadecimal digits, the form of an ObjectId, in every store."""
    return secrets.token_hex(12)


def is_media_id(fid: str) -> bool:
    """Tell whether a text has the form of a media id."""
    return re.fullmatch(r"[0-9a-f]{24}", fid) is not None


def check_media_id(fid: str) -> str:
    """Return a media id; raises MediaNotFound where it has not the form of one, so that none leads elsewhere."""
    if not is_media_id(fid):
        raise MediaNotFound("A media id is 24 hexadecimal digits.", fid=fid)
    return fid


def open_media(url: str, bucket: str) -> MediaStore:
    """Open one bucket, `videos` or `mp3s`, of the store at a URL.

    Raises SettingError where MEDIA_URL names no store that we have.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SettingError(f"Setting MEDIA_URL is no address: {error}.", setting="MEDIA_URL") from None
    if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
        from pathlib import Path

        from soundlift.common.media.folder import FolderStore

        return FolderStore(Path(url2pathname(parts.path)) / bucket)
    if parts.scheme in ("mongodb", "mongodb+srv"):
        from soundlift.common.media.gridfs import GridFsStore

        return GridFsStore(url, bucket)
    if parts.scheme == "s3":
        from soundlift.common.media.s3 import S3Store, read_address

        return S3Store(read_address(url), bucket)
    raise SettingError("Setting MEDIA_URL must be file:///FOLDER, mongodb://HOST or s3://BUCKET.", setting="MEDIA_URL")
