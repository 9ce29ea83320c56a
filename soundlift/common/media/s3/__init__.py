"""A media store in a bucket of S3 or of a compatible server: an adapter of the media-store port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.media import ListedFile, MediaInfo, MediaReader, check_media_id, is_media_id
from soundlift.common.media.s3.address import Address
from soundlift.common.media.s3.address import read_address as read_address
from soundlift.common.media.s3.remains import TAIL, remove_remains
from soundlift.common.media.s3.resumption import S3Resumption
from soundlift.common.media.s3.server import get_client, has_status, store_errors
from soundlift.common.media.s3.stored_file import StoredFile
from soundlift.common.media.s3.writer import S3Writer, metadata_headers


class S3Store:
    """A store that keeps each file as PREFIX/FOLDER/ID; until it is committed, it is a multipart upload."""

    def __init__(self, address: Address, folder: str) -> None:
        self.address = address
        self._folder = folder

    def create(self, fid: str, info: MediaInfo) -> S3Writer:
        """Begin a multipart upload, even for a small file: its commit fails if the file is deleted meanwhile."""
        key = self.key(fid)
        with store_errors():
            upload = self.client.create_multipart_upload(**key, **metadata_headers(info))
        return S3Writer(self.client, {**key, "UploadId": upload["UploadId"]})

    def open(self, fid: str) -> MediaReader:
        """Open the current version of a file; if it is replaced later, reading raises StoreUnavailable."""
        key = self.key(fid)
        try:
            with store_errors():
                head = self.client.head_object(**key)
        except StoreUnavailable as error:
            if has_status(error, 404):
                self.check()  # the status is also 404 if there is no bucket
                raise MediaNotFound("The media store has no such file.", fid=fid) from None
            raise
        size = int(head["ContentLength"])
        stored = StoredFile(self.client, {**key, "IfMatch": head["ETag"]}, size)
        return MediaReader(size, cast(BinaryIO, stored))

    def delete(self, fid: str) -> None:
        """Abort the uploads of the file, then remove the file in case one of them has committed already."""
        key = self.key(fid)
        remove_remains(self.client, key)
        with store_errors():
            self.client.delete_object(**key)

    def resumable(self) -> S3Resumption:
        """Return the files that several requests write."""
        return S3Resumption(self.client, self.key)

    def check(self) -> None:
        """Raise StoreUnavailable unless the bucket exists and is accessible."""
        bucket = self.address.bucket
        with store_errors(f"The bucket {bucket} cannot be used; check that it exists and that the keys allow access."):
            self.client.head_bucket(Bucket=bucket)

    def list(self) -> Iterator[ListedFile]:
        """Yield the objects, then the multipart uploads in progress."""
        folder = {"Bucket": self.address.bucket, "Prefix": self._path("")}
        with store_errors():
            for page in self.client.get_paginator("list_objects_v2").paginate(**folder):
                for found in page.get("Contents", []):
                    fid, tail, _ = self._fid(found["Key"]).partition(TAIL)
                    if is_media_id(fid):
                        size = 0 if tail else int(found["Size"])
                        yield ListedFile(fid, size, found["LastModified"].timestamp(), committed=not tail)
            for page in self.client.get_paginator("list_multipart_uploads").paginate(**folder):
                for found in page.get("Uploads", []):
                    if is_media_id(fid := self._fid(found["Key"])):
                        yield ListedFile(fid, 0, found["Initiated"].timestamp(), committed=False)

    @property
    def client(self) -> Any:
        """Return the client; it is created on first use, since loading boto3's models is slow."""
        return get_client(self.address)

    def key(self, fid: str) -> dict[str, str]:
        """Return the bucket and the key of a file; raises MediaNotFound if the id is malformed."""
        return {"Bucket": self.address.bucket, "Key": self._path(check_media_id(fid))}

    def _path(self, name: str) -> str:
        """Return the key of a name in this store's folder; with an empty name, what all of its keys begin with."""
        return "/".join([*filter(None, (self.address.prefix, self._folder)), name])

    def _fid(self, key: str) -> str:
        return key.removeprefix(self._path(""))
