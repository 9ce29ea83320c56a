"""The media-store port, and the function that opens the store named by MEDIA_URL."""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol, runtime_checkable
from urllib.parse import urlsplit
from urllib.request import url2pathname

from soundlift.common.errors import MediaNotFound, SettingError


@dataclass(frozen=True)
class MediaInfo:
    """Metadata that a store may keep with a file, for operators who inspect the store."""

    owner: str
    file_name: str
    content_type: str
    job_id: str


class MediaWriter(Protocol):
    """A writer of one new file. The file cannot be read before `commit` has returned."""

    def write(self, data: bytes, /) -> int:
        """Add a chunk; raises StoreUnavailable."""
        ...

    def commit(self) -> int:
        """Make the file durable and readable, and return its size in bytes; raises StoreUnavailable."""
        ...

    def abort(self) -> None:
        """Remove the written bytes, if the store can be reached; never raises."""
        ...


@dataclass(frozen=True)
class MediaReader:
    """A stored file of `size` bytes, open for reading.

    `file` is seekable; reads may raise StoreUnavailable. The caller closes it.
    """

    size: int
    file: BinaryIO


class MediaStore(Protocol):
    """A store of files by media id. The adapters are interchangeable and pass the same contract tests."""

    def create(self, fid: str, info: MediaInfo) -> MediaWriter:
        """Begin a new file; raises StoreUnavailable."""
        ...

    def open(self, fid: str) -> MediaReader:
        """Open a committed file for reading; raises MediaNotFound or StoreUnavailable."""
        ...

    def delete(self, fid: str) -> None:
        """Remove a file and the remains of an unfinished writer, if any; raises StoreUnavailable."""
        ...

    def check(self) -> None:
        """Raise StoreUnavailable unless the store responds."""
        ...


@runtime_checkable
class LocalFiles(Protocol):
    """A media store on this machine; other processes can read its files through inherited descriptors."""

    def open_file(self, fid: str) -> io.FileIO:
        """Open a committed file for unbuffered reading; raises MediaNotFound, or, also on reads, StoreUnavailable."""
        ...


@runtime_checkable
class LimitedSpace(Protocol):
    """A media store on a disk of which it knows how much is free."""

    def free_bytes(self) -> int:
        """Return how many bytes a new file may have; raises StoreUnavailable."""
        ...


@dataclass(frozen=True)
class ListedFile:
    """A file in the listing of a store; `modified_at` is in seconds since 1970, by the clock of the store.

    A file that is not committed is what a writer, dead or still at work, has written so far; its size is 0. A file is
    not `ours` if another program stored it.
    """

    fid: str
    size: int
    modified_at: float
    committed: bool = True
    ours: bool = True


@runtime_checkable
class MediaListing(Protocol):
    """A media store whose files can be listed, for operators."""

    def list(self) -> Iterator[ListedFile]:
        """Yield each file in any order, without holding all of them in memory; raises StoreUnavailable.

        Files whose names are not media ids are left out. A file that is written or deleted meanwhile may be listed or
        not, and one that is committed meanwhile may be listed twice; one that is not committed, several times.
        """
        ...


def new_media_id() -> str:
    """Return a new media id: in every store 24 hexadecimal digits, like an ObjectId."""
    return secrets.token_hex(12)


def is_media_id(fid: str) -> bool:
    """Return whether a text has the form of a media id."""
    return re.fullmatch(r"[0-9a-f]{24}", fid) is not None


def check_media_id(fid: str) -> str:
    """Return a valid media id; raises MediaNotFound for any other text, which could be a path to another file."""
    if not is_media_id(fid):
        raise MediaNotFound("The media id is malformed; it must be 24 hexadecimal digits.", fid=fid)
    return fid


def list_files(store: MediaStore) -> Iterator[ListedFile]:
    """Return the listing of a store; every adapter has one."""
    if not isinstance(store, MediaListing):
        raise TypeError(f"{type(store).__name__} has no listing")
    return store.list()


def open_media(url: str, bucket: str) -> MediaStore:
    """Open one bucket, `videos` or `mp3s`, of the store at a URL.

    Raises SettingError if the URL is malformed or its scheme is unknown.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SettingError(f"Setting MEDIA_URL is not a valid URL: {error}.", setting="MEDIA_URL") from None
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
