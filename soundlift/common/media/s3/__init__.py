"""A media store in a bucket of S3, or of a server with its protocol: an adapter of the media-store port."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.media import MediaInfo, MediaReader, check_media_id
from soundlift.common.media.s3.address import Address
from soundlift.common.media.s3.address import read_address as read_address
from soundlift.common.media.s3.server import client_of, says, store_errors
from soundlift.common.media.s3.stored_file import StoredFile
from soundlift.common.media.s3.writer import S3Writer, headers_of


class S3Store:
    """A store that has PREFIX/FOLDER/ID for each file; one that is being written is a multipart upload."""

    def __init__(self, address: Address, folder: str) -> None:
        self._address = address
        self._folder = folder

    def create(self, fid: str, info: MediaInfo) -> S3Writer:
        """Begin a multipart upload, even of a small file, so that its commit fails if the file is deleted meanwhile."""
        key = self._key(fid)
        with store_errors():
            upload = self.client.create_multipart_upload(**key, **headers_of(info))
        return S3Writer(self.client, {**key, "UploadId": upload["UploadId"]})

    def open(self, fid: str) -> MediaReader:
        """Open a file in its present version; if it is replaced later, reading raises StoreUnavailable."""
        key = self._key(fid)
        try:
            with store_errors():
                head = self.client.head_object(**key)
        except StoreUnavailable as error:
            if says(error, 404):
                self.check()  # the answer is 404 without a bucket, too
                raise MediaNotFound("There is no such file in the media store.", fid=fid) from None
            raise
        size = int(head["ContentLength"])
        stored = StoredFile(self.client, {**key, "IfMatch": head["ETag"]}, size)
        return MediaReader(size, cast(BinaryIO, stored))

    def delete(self, fid: str) -> None:
        """Abort the uploads of the file, then remove the file that one of them may already have become."""
        key = self._key(fid)
        with store_errors():
            listed = self.client.list_multipart_uploads(Bucket=key["Bucket"], Prefix=key["Key"])
        for upload in listed.get("Uploads", []):
            self._abort({**key, "UploadId": upload["UploadId"]})
        with store_errors():
            self.client.delete_object(**key)

    def check(self) -> None:
        """Raise StoreUnavailable unless the bucket exists and may be used."""
        bucket = self._address.bucket
        with store_errors(f"The bucket {bucket} cannot be used."):
            self.client.head_bucket(Bucket=bucket)

    @property
    def client(self) -> Any:
        """Return the client, made at the first use: loading boto3's models takes a while."""
        return client_of(self._address)

    def _abort(self, upload: dict[str, str]) -> None:
        try:
            with store_errors():
                self.client.abort_multipart_upload(**upload)
        except StoreUnavailable as error:
            if not says(error, 404):  # it has ended meanwhile
                raise

    def _key(self, fid: str) -> dict[str, str]:
        path = "/".join(part for part in (self._address.prefix, self._folder, check_media_id(fid)) if part)
        return {"Bucket": self._address.bucket, "Key": path}
