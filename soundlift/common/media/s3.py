"""Keeps media in a bucket of S3, or of a store that speaks its protocol: an adapter of the media-store port."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qs, quote, unquote, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from typing_extensions import Buffer
from urllib3.exceptions import HTTPError

from soundlift.common.errors import MediaNotFound, SettingError, StoreUnavailable
from soundlift.common.media import MediaInfo, MediaReader, check_media_id
from soundlift.common.media.seekable import SeekableFile

PART_SIZE = 5 * 2**20  # the least S3 takes, of at most 10,000 parts; each upload at work holds one in memory
READ_TRIES = 3
HOW = "Setting MEDIA_URL must be s3://BUCKET/PREFIX?endpoint=URL&region=NAME; all but the bucket may be left out."
CONFIG: dict[str, Any] = {
    "connect_timeout": 3,
    "read_timeout": 10,
    "retries": {"total_max_attempts": 2, "mode": "standard"},
    "max_pool_connections": 64,
    # Not every store that speaks S3 knows the newer checksums.
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


@dataclass(frozen=True)
class Address:
    """Is what a URL says: where the store is, who we are there, and which bucket and prefix are ours."""

    bucket: str
    prefix: str
    access_key: str | None
    secret_key: str | None
    endpoint: str | None
    region: str | None


def read_address(url: str) -> Address:
    """Return what an s3:// URL says; raises SettingError.

    Without keys they come from where AWS's own tools look: its environment variables, files or the machine's role.
    """
    parts = urlsplit(url)
    options = parse_qs(parts.query, strict_parsing=bool(parts.query)) if parts.hostname else {"": [""]}
    if options.keys() - {"endpoint", "region"} or bool(parts.username) != bool(parts.password):
        raise SettingError(HOW, setting="MEDIA_URL")
    return Address(
        bucket=str(parts.hostname),
        prefix=parts.path.strip("/"),
        access_key=unquote(parts.username) if parts.username else None,
        secret_key=unquote(parts.password) if parts.password else None,
        endpoint=options.get("endpoint", [None])[0],
        region=options.get("region", [None])[0],
    )


@cache
def _client_of(address: Address) -> Any:
    """Return the one client of a store in this process; it connects when it is used."""
    own = address.endpoint is not None
    return boto3.session.Session().client(
        "s3",
        endpoint_url=address.endpoint,
        region_name=address.region or ("us-east-1" if own else None),
        aws_access_key_id=address.access_key,
        aws_secret_access_key=address.secret_key,
        config=Config(**CONFIG, s3={"addressing_style": "path" if own else "auto"}),
    )


class S3Store:
    """Holds PREFIX/FOLDER/ID for each file; one that is being written is an unfinished multipart upload."""

    def __init__(self, address: Address, folder: str) -> None:
        self._address = address
        self._folder = folder

    def create(self, fid: str, info: MediaInfo) -> S3Writer:
        """Begin a multipart upload, also for a small file: a delete in the meantime then makes its commit fail."""
        key = self._key(fid)
        with _store_errors():
            upload = self.client.create_multipart_upload(**key, ContentType=info.content_type, Metadata=_metadata(info))
        return S3Writer(self.client, {**key, "UploadId": upload["UploadId"]})

    def open(self, fid: str) -> MediaReader:
        """Open a file as it is now: one that is replaced later is never mixed in."""
        key = self._key(fid)
        try:
            with _store_errors():
                head = self.client.head_object(**key)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, ClientError) and _status_of(error.__cause__) == 404:
                self.check()  # a bucket that is not there is answered 404, too
                raise MediaNotFound("There is no such file in the media store.", fid=fid) from None
            raise
        stored = StoredFile(self.client, {**key, "IfMatch": head["ETag"]}, int(head["ContentLength"]))
        return MediaReader(int(head["ContentLength"]), cast(BinaryIO, io.BufferedReader(stored)))

    def delete(self, fid: str) -> None:
        """Remove the file, and the uploads under its key that were not finished."""
        key = self._key(fid)
        with _store_errors():
            self.client.delete_object(**key)
            listed = self.client.list_multipart_uploads(Bucket=key["Bucket"], Prefix=key["Key"])
            for upload in listed.get("Uploads", []):
                self.client.abort_multipart_upload(**key, UploadId=upload["UploadId"])

    def check(self) -> None:
        """Raise StoreUnavailable unless the bucket is there and ours to use."""
        bucket = self._address.bucket
        with _store_errors(f"The bucket {bucket} cannot be used."):
            self.client.head_bucket(Bucket=bucket)

    @property
    def client(self) -> Any:
        """Return the client, made when it is first needed: loading boto3's models takes a while."""
        return _client_of(self._address)

    def _key(self, fid: str) -> dict[str, str]:
        path = "/".join(part for part in (self._address.prefix, self._folder, check_media_id(fid)) if part)
        return {"Bucket": self._address.bucket, "Key": path}


class S3Writer:
    """Collects a part at a time, and makes the parts one object at the end."""

    def __init__(self, client: Any, upload: dict[str, str]) -> None:
        self._client = client
        self._upload = upload
        self._part = bytearray()
        self._parts: list[dict[str, Any]] = []
        self._size = 0

    def write(self, data: bytes, /) -> int:
        """Add bytes; they are sent when there is a part of them."""
        self._part += data
        self._size += len(data)
        if len(self._part) >= PART_SIZE:
            self._send()
        return len(data)

    def commit(self) -> int:
        """Send what is left, and complete the upload."""
        if self._part or not self._parts:
            self._send()
        with _store_errors():
            self._client.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": self._parts})
        return self._size

    def abort(self) -> None:
        """Give the upload up; what cannot be removed now goes with the job's row."""
        with suppress(StoreUnavailable), _store_errors():
            self._client.abort_multipart_upload(**self._upload)

    def _send(self) -> None:
        part, self._part = self._part, bytearray()
        number = len(self._parts) + 1
        with _store_errors():
            answer = self._client.upload_part(**self._upload, PartNumber=number, Body=part)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})


class StoredFile(SeekableFile):
    """Reads on from one response until it is told to seek; a response that breaks off is asked for again."""

    def __init__(self, client: Any, key: dict[str, str], size: int) -> None:
        super().__init__(size)
        self._client = client
        self._key = key
        self._body: Any = None
        self._at = 0

    def readinto(self, buffer: Buffer, /) -> int:
        """Read into a buffer; raises StoreUnavailable where the response breaks off again and again."""
        view = memoryview(buffer).cast("B")
        if self._position >= self._size or not view:
            return 0
        for _ in range(READ_TRIES - 1):
            with suppress(StoreUnavailable):
                return self._read(view)
        return self._read(view)

    def close(self) -> None:
        """Hang up."""
        self._hang_up()
        super().close()

    def _read(self, view: memoryview) -> int:
        try:
            with _store_errors():
                data = self._body_at(self._position).read(len(view))
            if not data:
                raise StoreUnavailable("The media store broke off in the middle of a file.")
        except StoreUnavailable:
            self._hang_up()
            raise
        view[: len(data)] = data
        self._position += len(data)
        self._at = self._position
        return len(data)

    def _body_at(self, position: int) -> Any:
        if self._body is None or self._at != position:
            self._hang_up()
            self._body = self._client.get_object(**self._key, Range=f"bytes={position}-")["Body"]
            self._at = position
        return self._body

    def _hang_up(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()


def _metadata(info: MediaInfo) -> dict[str, str]:
    """Return the information percent-encoded, for S3 takes ASCII only."""
    named = {"owner": info.owner, "file-name": info.file_name, "job": info.job_id}
    return {name: quote(value, safe=" @+") for name, value in named.items()}


def _status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextmanager
def _store_errors(detail: str = "The media store cannot be used.") -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, HTTPClientError, HTTPError, OSError) as error:
        raise StoreUnavailable(detail, cause=str(error)) from error
