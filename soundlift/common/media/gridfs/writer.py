"""A writer of one file in GridFS."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from bson import Int64, ObjectId
from pymongo.collection import Collection

from soundlift.common.errors import StoreUnavailable
from soundlift.common.media import MediaInfo
from soundlift.common.media.gridfs.server import BATCH_BYTES, Document, store_errors

CHUNK_SIZE = 255 * 1024


@dataclass(frozen=True)
class Collections:
    """The collections of files' documents, of their chunks, and of writers that have begun."""

    files: Collection[Document]
    chunks: Collection[Document]
    begun: Collection[Document]


class GridFsWriter:
    """A writer that sends chunks in batches, and the file's document last, so that nobody sees half a file.

    The ids of its chunks begin with eight random bytes, by which it can remove them without touching another writer's.
    """

    def __init__(self, to: Collections, begun: Document, info: MediaInfo) -> None:
        self._to = to
        self._begun = begun
        self._info = info
        self._token = secrets.token_bytes(8)
        self._rest = bytearray()
        self._batch: list[Document] = []
        self._count = 0
        self._size = 0
        self._document: Document = {}
        self._committed = False

    def write(self, data: bytes, /) -> int:
        """Add bytes, which are sent when they fill a batch of chunks."""
        self._rest += data
        self._size += len(data)
        self._cut(CHUNK_SIZE)
        return len(data)

    def commit(self) -> int:
        """Send the rest, then the file's document; remove it again if the file was deleted meanwhile."""
        self._cut(1)
        self._send()
        self._document = self._make_document()
        with store_errors():
            self._to.files.insert_one(self._document)
            if not self._to.begun.delete_one(self._begun).deleted_count:
                self._remove()
                raise StoreUnavailable("The file was deleted while it was being written.", fid=str(self._begun["_id"]))
        self._committed = True
        return self._size

    def abort(self) -> None:
        """Remove what was sent; what cannot be removed now is removed with the job's row."""
        if self._committed:
            return
        with suppress(StoreUnavailable), store_errors():
            self._remove()
            self._to.begun.delete_one(self._begun)

    def _cut(self, least: int) -> None:
        """Make chunks while there are at least so many bytes; none is lost if one cannot be sent."""
        while len(self._rest) >= least:
            chunk = bytes(memoryview(self._rest)[:CHUNK_SIZE])
            del self._rest[:CHUNK_SIZE]
            self._add(chunk)

    def _add(self, data: bytes) -> None:
        chunk_id = ObjectId(self._token + self._count.to_bytes(4, "big"))
        self._batch.append({"_id": chunk_id, "files_id": self._begun["_id"], "n": self._count, "data": data})
        self._count += 1
        if len(self._batch) * CHUNK_SIZE >= BATCH_BYTES:
            self._send()

    def _send(self) -> None:
        if self._batch:
            with store_errors():
                self._to.chunks.insert_many(self._batch)
            self._batch = []

    def _remove(self) -> None:
        """Remove what this writer stored: its document has its date, and its chunks have its ids."""
        if self._document:
            self._to.files.delete_one({name: self._document[name] for name in ("_id", "uploadDate", "length")})
        first, last = (ObjectId(self._token + number) for number in (bytes(4), b"\xff" * 4))
        self._to.chunks.delete_many({"files_id": self._begun["_id"], "_id": {"$gte": first, "$lte": last}})

    def _make_document(self) -> Document:
        info = self._info
        return {
            "_id": self._begun["_id"],
            "length": Int64(self._size),
            "chunkSize": CHUNK_SIZE,
            "uploadDate": datetime.now(UTC),  # BSON rounds it to milliseconds, here and in a query
            "filename": info.file_name,
            "metadata": {
                "owner": info.owner,
                "file_name": info.file_name,
                "content_type": info.content_type,
                "job": info.job_id,
            },
        }
