"""The transfers between clients and a media store that do not pass through a function, at URLs that the store signs.

Only some stores have them; see `open_direct_transfers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from soundlift.common.media import MediaInfo


@dataclass(frozen=True)
class StoredPart:
    """A part of a file that has arrived: its number from 1, its size in bytes, and the store's tag of its content."""

    number: int
    size: int
    tag: str


class DirectUploads(Protocol):
    """Files that clients send to the store in parts, each to a signed URL.

    An upload that has not ended is removed by `MediaStore.delete` with the id of its file. After it has ended, no URL
    of it can change or create anything.
    """

    def begin(self, fid: str, info: MediaInfo) -> str:
        """Begin a file, and return the store's reference of the upload.

        Raises StoreUnavailable, or DirectUnavailable if the store does not let this process read what arrives.
        """
        ...

    def sign_part(self, fid: str, reference: str, *, number: int, size: int, seconds: int) -> str:
        """Return a URL that accepts a PUT of exactly `size` bytes for some time, without asking the store."""
        ...

    def parts(self, fid: str, reference: str) -> list[StoredPart]:
        """Return the parts that have arrived, by number.

        Raises MediaNotFound if the upload has ended, or StoreUnavailable.
        """
        ...

    def complete(self, fid: str, reference: str, parts: Sequence[StoredPart]) -> None:
        """Make one file of these parts, which have not been replaced since they were listed.

        Raises StoreUnavailable; and MediaNotFound if the upload has ended, unless it was completed with these parts.
        """
        ...


class SignedDownloads(Protocol):
    """Files that clients read from the store at signed URLs."""

    def sign_download(self, fid: str, *, disposition: str, media_type: str, seconds: int) -> str:
        """Return a URL that answers a GET for some time, with these headers, without asking the store.

        `disposition` is the Content-Disposition, in ASCII.
        """
        ...


class DirectTransfers(DirectUploads, SignedDownloads, Protocol):
    """Both directions."""


def open_direct_transfers(url: str, bucket: str, endpoint: str) -> DirectTransfers | None:
    """Return the direct transfers of one bucket of the store at a URL, or None if the store has none.

    `endpoint` is where clients reach the store, empty if that is where the functions do.
    """
    if urlsplit(url).scheme == "s3":
        from soundlift.common.media.s3 import S3Store, read_address
        from soundlift.common.media.s3.direct import S3DirectTransfers

        return S3DirectTransfers(S3Store(read_address(url), bucket), endpoint)
    return None
