"""An object of S3 as a seekable file.

smart_open 9.0 is not used: if a response breaks off it sleeps 1, 2, 4, 8 and 16 seconds between its tries, which no
option changes, and on each seek it requests the rest of the object at once, or always the same number of bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import Buffer

from soundlift.common.errors import StoreUnavailable
from soundlift.common.media.s3.server import store_errors
from soundlift.common.media.seekable import SeekableFile

READ_TRIES = 3
BYTES_AFTER_SEEK = 64 * 1024
GROWTH = 4


class StoredFile(SeekableFile):
    """An object that is read from one response until a seek; a response that breaks off is asked for again.

    The first request goes to the end of the object. After a seek another one is likely, so a request is for few bytes,
    and each one that continues it is for more. A read returns all bytes asked for, up to the end of the file, or raises
    and leaves the position as it was.
    """

    def __init__(self, client: Any, key: Mapping[str, str], size: int) -> None:
        super().__init__(size)
        self._client = client
        self._key = key
        self._body: Any = None
        self._at = self._end = 0  # of the response: the position of its next byte, and its end
        self._length = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes, without copying them to a buffer; raises StoreUnavailable if the response keeps breaking off."""
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        pieces: list[bytes] = []
        while wanted:
            pieces.append(self._some(self._position + sum(map(len, pieces)), wanted))
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
        """Close the connection, too."""
        self._close_response()
        super().close()

    def _some(self, position: int, most: int) -> bytes:
        """Read some bytes; request a response that breaks off again, for the client repeats only what fails before."""
        cause = "the response ended early"
        for _ in range(READ_TRIES):
            body = self._body_at(position)
            try:
                with store_errors():
                    data: bytes = body.read(most)
            except StoreUnavailable as error:
                cause, data = str(error.evidence["cause"]), b""
            if data:
                self._at = position + len(data)
                return data
            self._close_response()
        raise StoreUnavailable("The media store broke off in the middle of a file.", cause=cause)

    def _body_at(self, position: int) -> Any:
        if self._body is None or self._at != position or position == self._end:
            self._close_response()
            self._length = self._length_from(position)
            end = min(position + self._length, self._size)
            with store_errors():
                self._body = self._client.get_object(**self._key, Range=f"bytes={position}-{end - 1}")["Body"]
            self._at, self._end = position, end
        return self._body

    def _length_from(self, position: int) -> int:
        """Return how many bytes to ask for from a position."""
        if not self._end:
            return self._size
        if self._at != position:
            return BYTES_AFTER_SEEK
        return self._length * GROWTH if position == self._end else self._length

    def _close_response(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()
