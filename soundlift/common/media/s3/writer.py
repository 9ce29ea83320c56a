"""A writer of one file in S3, as a multipart upload."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from soundlift.common.errors import StoreUnavailable
from soundlift.common.media import MediaInfo
from soundlift.common.media.s3.server import store_errors

PART_SIZE = 5 * 2**20  # the smallest of S3, which takes 10,000 parts; a running upload holds one in memory
LONGEST_VALUE = 300  # bytes, before they are encoded to at most three times as many: S3 takes 2 KB of metadata


class S3Writer:
    """A writer that collects one part at a time, and completes the upload at the end.

    All parts but the last have the same size, as some stores require.
    """

    def __init__(self, client: Any, upload: dict[str, str]) -> None:
        self._client = client
        self._upload = upload
        self._part = bytearray()
        self._parts: list[dict[str, Any]] = []
        self._size = 0

    def write(self, data: bytes, /) -> int:
        """Add bytes; a part is sent when there are more bytes than fit into it."""
        self._part += data
        self._size += len(data)
        while len(self._part) > PART_SIZE:
            self._send()
        return len(data)

    def commit(self) -> int:
        """Send the rest, and complete the upload."""
        while self._part or not self._parts:
            self._send()
        with store_errors():
            self._client.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": self._parts})
        return self._size

    def abort(self) -> None:
        """Abort the upload; what cannot be removed now is removed with the job's row."""
        with suppress(StoreUnavailable), store_errors():
            self._client.abort_multipart_upload(**self._upload)

    def _send(self) -> None:
        """Send a part; keep it if that fails, or a later commit would leave a gap."""
        number = len(self._parts) + 1
        rest = self._part[PART_SIZE:]
        del self._part[PART_SIZE:]
        try:
            with store_errors():
                answer = self._client.upload_part(**self._upload, PartNumber=number, Body=self._part)
        except StoreUnavailable:
            self._part += rest
            raise
        self._part = rest
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})


def headers_of(info: MediaInfo) -> dict[str, Any]:
    """Return the metadata as S3 takes it: in ASCII, percent-encoded, and of limited length."""
    named = {"owner": info.owner, "file-name": info.file_name, "job": info.job_id}
    plain = re.fullmatch(r"[!-~][ -~]*", info.content_type)
    return {
        "ContentType": info.content_type if plain else "application/octet-stream",
        "Metadata": {name: quote(_shortened(value), safe="@+") for name, value in named.items()},
    }


def _shortened(value: str) -> str:
    return value.encode(errors="replace")[:LONGEST_VALUE].decode(errors="ignore")
