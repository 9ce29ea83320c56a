"""A file in GridFS as a seekable file."""

from __future__ import annotations

from contextlib import suppress

from pymongo import ASCENDING
from pymongo.collection import Collection
from pymongo.errors import PyMongoError
from pymongo.synchronous.cursor import Cursor
from typing_extensions import Buffer

from soundlift.common.errors import StoreUnavailable
from soundlift.common.media.gridfs.server import BATCH_BYTES, Document, store_errors
from soundlift.common.media.seekable import SeekableFile

LIMIT_GROWTH = 4


class StoredFile(SeekableFile):
    """A file that is read chunk by chunk from a cursor; a seek or a lost connection opens a new cursor.

    A read returns all requested bytes, up to the end of the file, or raises and leaves the position unchanged.
    """

    def __init__(self, chunks: Collection[Document], document: Document) -> None:
        super().__init__(int(document["length"]))
        self._chunks = chunks
        self._file_id = document["_id"]
        self._chunk_size = int(document["chunkSize"])
        self._cursor: Cursor[Document] | None = None
        self._number = -1
        self._limit = 0
        self._chunk = b""

    def readinto(self, buffer: Buffer, /) -> int:
        """Read into a buffer; raises StoreUnavailable."""
        view = memoryview(buffer).cast("B")
        size = max(0, min(len(view), self._size - self._position))
        done = 0
        while done < size:
            number, offset = divmod(self._position + done, self._chunk_size)
            part = memoryview(self._chunk_at(number))[offset : offset + size - done]
            view[done : done + len(part)] = part
            done += len(part)
        self._position += done
        return done

    def readall(self) -> bytes:
        """Read the rest of the file; raises StoreUnavailable."""
        return self.read(max(0, self._size - self._position)) or b""

    def close(self) -> None:
        """Close the file and the cursor on the server."""
        _close(self._cursor)
        super().close()

    def _chunk_at(self, number: int) -> bytes:
        if number != self._number:
            with store_errors():
                chunk = self._next_chunk(number)
            if chunk is None or chunk["n"] != number or len(chunk["data"]) != self._expected_length(number):
                raise StoreUnavailable(
                    "A file in the media store is damaged; upload the video again.",
                    fid=str(self._file_id),
                    chunk=number,
                )
            self._number, self._chunk = number, chunk["data"]
        return self._chunk

    def _next_chunk(self, number: int) -> Document | None:
        """Return a chunk from the cursor, or from a new one if the chunk is not the next or the connection is lost."""
        cursor, self._cursor = self._cursor, None  # a cursor that has raised cannot be used again
        if cursor is not None and number == self._number + 1:
            try:
                if chunk := next(cursor, None):
                    self._cursor = cursor
                    return chunk
            except PyMongoError as error:
                if error.timeout:
                    raise
        _close(cursor)
        return self._open_cursor(number)

    def _open_cursor(self, number: int) -> Document | None:
        """Open a cursor at a chunk and return this chunk."""
        self._limit = self._next_limit(number)
        cursor = self._chunks.find(
            {"files_id": self._file_id, "n": {"$gte": number}},
            {"n": True, "data": True},
            sort=[("n", ASCENDING)],
            batch_size=max(2, BATCH_BYTES // self._chunk_size),
            limit=self._limit,
        )
        chunk = next(cursor, None)
        self._cursor = cursor
        return chunk

    def _next_limit(self, number: int) -> int:
        """Return the number of chunks to query: all (0) at first, 1 after a seek, then more for each further query."""
        if self._number < 0:
            return 0
        return self._limit * LIMIT_GROWTH if number == self._number + 1 else 1

    def _expected_length(self, number: int) -> int:
        return min(self._chunk_size, self._size - number * self._chunk_size)


def _close(cursor: Cursor[Document] | None) -> None:
    if cursor is not None:
        with suppress(PyMongoError):  # the server closes idle cursors
            cursor.close()
