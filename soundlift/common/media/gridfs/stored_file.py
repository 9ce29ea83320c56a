"""A file of GridFS, of which any range can be read."""

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

GROWTH = 4


class StoredFile(SeekableFile):
    """A file that is read chunk by chunk from a cursor with small batches; a seek or a lost connection needs a new one.

    A read returns all bytes asked for, up to the end of the file, or raises and leaves the position as it was.
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
        wanted = max(0, min(len(view), self._size - self._position))
        done = 0
        while done < wanted:
            number, offset = divmod(self._position + done, self._chunk_size)
            part = memoryview(self._chunk_at(number))[offset : offset + wanted - done]
            view[done : done + len(part)] = part
            done += len(part)
        self._position += done
        return done

    def readall(self) -> bytes:
        """Read on to the end of the file; raises StoreUnavailable."""
        return self.read(max(0, self._size - self._position)) or b""

    def close(self) -> None:
        """Close the query on the server, too."""
        _close(self._cursor)
        super().close()

    def _chunk_at(self, number: int) -> bytes:
        if number != self._number:
            with store_errors():
                chunk = self._next(number)
            if chunk is None or chunk["n"] != number or len(chunk["data"]) != self._length_of(number):
                raise StoreUnavailable("A file in the media store is damaged.", fid=str(self._file_id), chunk=number)
            self._number, self._chunk = number, chunk["data"]
        return self._chunk

    def _next(self, number: int) -> Document | None:
        """Return a chunk from the cursor, or from a new one if it does not follow or the connection is lost."""
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
        return self._first_from(number)

    def _first_from(self, number: int) -> Document | None:
        self._limit = self._limit_from(number)
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

    def _limit_from(self, number: int) -> int:
        """Return how many chunks to ask for: all (0), a single one after a seek, more and more if reading goes on."""
        if self._number < 0:
            return 0
        return self._limit * GROWTH if number == self._number + 1 else 1

    def _length_of(self, number: int) -> int:
        return min(self._chunk_size, self._size - number * self._chunk_size)


def _close(cursor: Cursor[Document] | None) -> None:
    if cursor is not None:
        with suppress(PyMongoError):  # the server closes it later by itself
            cursor.close()
