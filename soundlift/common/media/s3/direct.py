"""Signed URLs of S3: the parts of a multipart upload, and downloads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from soundlift.common.errors import DirectUnavailable, MediaNotFound, StoreUnavailable
from soundlift.common.media import MediaInfo
from soundlift.common.media.direct import StoredPart
from soundlift.common.media.s3.server import get_client, has_status, store_errors
from soundlift.common.media.s3.writer import metadata_headers

if TYPE_CHECKING:
    from soundlift.common.media.s3 import S3Store


class S3DirectTransfers:
    """The direct transfers of one folder of a bucket.

    Every upload is a multipart upload, even one of a single part: its URLs are void once it is completed or aborted,
    while the URL of a whole object could still replace a checked video, or create an object that no row names.
    """

    def __init__(self, store: S3Store, endpoint: str) -> None:
        self._store = store
        self._endpoint = endpoint
        self._may_list = False

    def begin(self, fid: str, info: MediaInfo) -> str:
        """Create a multipart upload; once, check that its parts can be listed, which needs a right of its own."""
        with store_errors():
            created = self._client.create_multipart_upload(**self._store.key(fid), **metadata_headers(info))
        reference = str(created["UploadId"])
        if not self._may_list:
            self._check_listing(fid, reference)
        return reference

    def sign_part(self, fid: str, reference: str, *, number: int, size: int, seconds: int) -> str:
        """Sign the headers Host and Content-Length, so that the URL accepts no other size."""
        part = {"UploadId": reference, "PartNumber": number, "ContentLength": size}
        return self._sign("upload_part", {**self._store.key(fid), **part}, seconds)

    def parts(self, fid: str, reference: str) -> list[StoredPart]:
        """List all pages of parts."""
        pages = self._client.get_paginator("list_parts").paginate(**self._store.key(fid), UploadId=reference)
        with self._ended_uploads(fid), store_errors():
            found = [part for page in pages for part in page.get("Parts", [])]
        return [StoredPart(int(part["PartNumber"]), int(part["Size"]), part["ETag"]) for part in found]

    def complete(self, fid: str, reference: str, parts: Sequence[StoredPart]) -> None:
        """Complete the multipart upload with the listed entity tags; S3 refuses a part that was replaced since."""
        listed = [{"PartNumber": part.number, "ETag": part.tag} for part in parts]
        with self._ended_uploads(fid), store_errors():
            self._client.complete_multipart_upload(
                **self._store.key(fid), UploadId=reference, MultipartUpload={"Parts": listed}
            )

    def sign_download(self, fid: str, *, disposition: str, media_type: str, seconds: int) -> str:
        """Sign a URL whose response has headers of ours."""
        headers = {
            "ResponseContentDisposition": disposition,
            "ResponseContentType": media_type,
            "ResponseCacheControl": "private, no-store",
        }
        return self._sign("get_object", {**self._store.key(fid), **headers}, seconds)

    def _sign(self, operation: str, parameters: dict[str, Any], seconds: int) -> str:
        with store_errors():
            return str(self._signer.generate_presigned_url(operation, Params=parameters, ExpiresIn=seconds))

    def _check_listing(self, fid: str, reference: str) -> None:
        try:
            self.parts(fid, reference)
        except StoreUnavailable as error:
            if not has_status(error, 403):
                raise
            raise DirectUnavailable(
                "The media store is not set up for direct uploads; send the video to /upload.",
                cause="the keys lack the right s3:ListMultipartUploadParts",
            ) from error
        self._may_list = True

    @property
    def _client(self) -> Any:
        return self._store.client

    @property
    def _signer(self) -> Any:
        """Return a client of the address that clients of the functions use: the host is a part of a signature."""
        if not self._endpoint:
            return self._client
        address = self._store.address
        region = address.region or self._client.meta.region_name
        return get_client(replace(address, endpoint=self._endpoint, region=region))

    @contextmanager
    def _ended_uploads(self, fid: str) -> Iterator[None]:
        """Raise MediaNotFound in place of the error for a multipart upload that was completed or aborted."""
        try:
            yield
        except StoreUnavailable as error:
            if not has_status(error, 404):
                raise
            self._store.check()  # the status is also 404 if there is no bucket
            raise MediaNotFound("The media store has no such upload.", fid=fid) from None
