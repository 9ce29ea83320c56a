"""A writer of one file in S3, as a multipart upload."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from soundlift.common.errors import StoreUnavailable
from soundlift.common.media import MediaInfo
from soundlift.common.media.s3.server import store_errors

PART_SIZE = 5 * 2**20  # S3's minimum (of at most 10,000 parts); each upload in progress holds one part in memory
MAX_VALUE_BYTES = 300  # percent-encoding at most triples it, and S3 limits all metadata to 2 KB


class S3Writer:
    """A writer that buffers and sends one part at a time, and completes the upload on commit.

    All parts except the last have the same size, which some stores require.
    """

    def __init__(self, client: Any, upload: dict[str, str]) -> None:
        self._client = client
        self._upload = upload
        self._part = bytearray()
        self._parts: list[dict[str, Any]] = []
        self._size = 0

    def write(self, data: bytes, /) -> int:
        """Add bytes; a part is sent when the buffer exceeds its size."""
        self._part += data
        self._size += len(data)
        while len(self._part) > PART_SIZE:
            self._send_part()
        return len(data)

    def commit(self) -> int:
        """Send the remaining bytes and complete the upload."""
        while self._part or not self._parts:
            self._send_part()
        with store_errors():
            self._client.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": self._parts})
        return self._size

    def abort(self) -> None:
        """Abort the upload; if this fails, cleanup removes it together with the job row."""
        with suppress(StoreUnavailable), store_errors():
            self._client.abort_multipart_upload(**self._upload)

    def _send_part(self) -> None:
        """Send a part; keep it if this fails, because a later commit would otherwise leave a gap."""
        number = len(self._parts) + 1
        rest = self._part[PART_SIZE:]
        del self._part[PART_SIZE:]
        try:
            with store_errors():
                response = self._client.upload_part(**self._upload, PartNumber=number, Body=self._part)
        except StoreUnavailable:
            self._part += rest
            raise
        self._part = rest
        self._parts.append({"PartNumber": number, "ETag": response["ETag"]})


def metadata_headers(info: MediaInfo) -> dict[str, Any]:
    """Return the metadata in the form that S3 accepts: ASCII, percent-encoded, of limited length."""
    values = {"owner": info.owner, "file-name": info.file_name, "job": info.job_id}
    is_valid = re.fullmatch(r"[!-~][ -~]*", info.content_type)
    return {
        "ContentType": info.content_type if is_valid else "application/octet-stream",
        "Metadata": {name: quote(_truncate(value), safe="@+") for name, value in values.items()},
    }


def _truncate(value: str) -> str:
    return value.encode(errors="replace")[:MAX_VALUE_BYTES].decode(errors="ignore")
