"""An object in S3 as a seekable file.

smart_open 9.0 is not used: if a response is cut off, it sleeps 1, 2, 4, 8 and 16 seconds between attempts, which is not
configurable; and after each seek it requests the entire rest of the object, or always the same number of bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import Buffer

from soundlift.common.errors import StoreUnavailable
from soundlift.common.media.s3.server import store_errors
from soundlift.common.media.seekable import SeekableFile

READ_ATTEMPTS = 3
BYTES_AFTER_SEEK = 64 * 1024
REQUEST_GROWTH = 4


class StoredFile(SeekableFile):
    """An object that is read from one response until a seek; a response that is cut off is requested again.

    The first request is for the entire object. After a seek, another seek is likely, so the next request is for few
    bytes, and each sequential one after it for more. A read returns all requested bytes, up to the end of the file, or
    raises and leaves the position unchanged.
    """

    def __init__(self, client: Any, key: Mapping[str, str], size: int) -> None:
        super().__init__(size)
        self._client = client
        self._key = key
        self._body: Any = None
        self._next_byte = self._end = 0  # of the response: the positions of its next byte and of its end
        self._request_length = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes without copying them to a buffer; raises StoreUnavailable if responses are cut off repeatedly."""
        remaining = max(0, self._size - self._position)
        wanted = remaining if size is None or size < 0 else min(size, remaining)
        pieces: list[bytes] = []
        while wanted:
            pieces.append(self._read_some(self._position + sum(map(len, pieces)), wanted))
            wanted -= len(pieces[-1])
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._position += len(data)
        return data

    def readinto(self, buffer: Buffer, /) -> int:
        """Read into a buffer; raises StoreUnavailable."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file and its connection."""
        self._close_response()
        super().close()

    def _read_some(self, position: int, max_bytes: int) -> bytes:
        """Read some bytes; retry if the response is cut off, since the client itself retries only until it begins."""
        cause = "the response ended early"
        for _ in range(READ_ATTEMPTS):
            body = self._response_at(position)
            try:
                with store_errors():
                    data: bytes = body.read(max_bytes)
            except StoreUnavailable as error:
                cause, data = str(error.evidence["cause"]), b""
            if data:
                self._next_byte = position + len(data)
                return data
            self._close_response()
        raise StoreUnavailable("The media store stopped responding in the middle of a file.", cause=cause)

    def _response_at(self, position: int) -> Any:
        if self._body is None or self._next_byte != position or position == self._end:
            self._close_response()
            self._request_length = self._next_length(position)
            end = min(position + self._request_length, self._size)
            with store_errors():
                self._body = self._client.get_object(**self._key, Range=f"bytes={position}-{end - 1}")["Body"]
            self._next_byte, self._end = position, end
        return self._body

    def _next_length(self, position: int) -> int:
        """Return the number of bytes to request at a position."""
        if not self._end:
            return self._size
        if self._next_byte != position:
            return BYTES_AFTER_SEEK
        return self._request_length * REQUEST_GROWTH if position == self._end else self._request_length

    def _close_response(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()
