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
    """The collections of file documents, chunks, writers in progress, and the tails of resumable uploads."""

    files: Collection[Document]
    chunks: Collection[Document]
    begun: Collection[Document]
    tails: Collection[Document]


class GridFsWriter:
    """A writer that sends chunks in batches and the file's document last, so that an incomplete file is never visible.

    The ids of its chunks begin with eight random bytes, so that it can remove them but not those of another writer.
    """

    def __init__(self, collections: Collections, begun: Document, info: MediaInfo) -> None:
        self._collections = collections
        self._begun = begun
        self._info = info
        self._token = secrets.token_bytes(8)
        self._buffer = bytearray()
        self._batch: list[Document] = []
        self._chunk_count = 0
        self._size = 0
        self._document: Document = {}
        self._committed = False

    def write(self, data: bytes, /) -> int:
        """Add bytes; they are sent when they fill a batch of chunks."""
        self._buffer += data
        self._size += len(data)
        self._split(CHUNK_SIZE)
        return len(data)

    def commit(self) -> int:
        """Send the remaining chunks, then the file's document; undo this if the file was deleted meanwhile."""
        self._split(1)
        self._send_batch()
        self._document = file_document(self._begun["_id"], self._size, self._info)
        with store_errors():
            self._collections.files.insert_one(self._document)
            if not self._collections.begun.delete_one(self._begun).deleted_count:
                self._remove()
                raise StoreUnavailable(
                    "The file was deleted while it was being written; upload it again.", fid=str(self._begun["_id"])
                )
        self._committed = True
        return self._size

    def abort(self) -> None:
        """Remove the sent chunks; if this fails, cleanup removes them together with the job row."""
        if self._committed:
            return
        with suppress(StoreUnavailable), store_errors():
            self._remove()
            self._collections.begun.delete_one(self._begun)

    def _split(self, min_bytes: int) -> None:
        """Split off chunks while at least `min_bytes` remain; a chunk that cannot be sent stays in the batch."""
        while len(self._buffer) >= min_bytes:
            chunk = bytes(memoryview(self._buffer)[:CHUNK_SIZE])
            del self._buffer[:CHUNK_SIZE]
            self._add_chunk(chunk)

    def _add_chunk(self, data: bytes) -> None:
        chunk_id = ObjectId(self._token + self._chunk_count.to_bytes(4, "big"))
        self._batch.append({"_id": chunk_id, "files_id": self._begun["_id"], "n": self._chunk_count, "data": data})
        self._chunk_count += 1
        if len(self._batch) * CHUNK_SIZE >= BATCH_BYTES:
            self._send_batch()

    def _send_batch(self) -> None:
        if self._batch:
            with store_errors():
                self._collections.chunks.insert_many(self._batch)
            self._batch = []

    def _remove(self) -> None:
        """Remove only this writer's document, identified by its date, and chunks, identified by their ids."""
        if self._document:
            self._collections.files.delete_one({name: self._document[name] for name in ("_id", "uploadDate", "length")})
        first, last = (ObjectId(self._token + number) for number in (bytes(4), b"\xff" * 4))
        self._collections.chunks.delete_many({"files_id": self._begun["_id"], "_id": {"$gte": first, "$lte": last}})


def file_document(file_id: ObjectId, size: int, info: MediaInfo) -> Document:
    """Return the document of a file that is stored now; BSON rounds its date to milliseconds, also in a query."""
    return {
        "_id": file_id,
        "length": Int64(size),
        "chunkSize": CHUNK_SIZE,
        "uploadDate": datetime.now(UTC),
        "filename": info.file_name,
        "metadata": {
            "owner": info.owner,
            "file_name": info.file_name,
            "content_type": info.content_type,
            "job": info.job_id,
        },
    }


def tails_of(file_id: ObjectId) -> Document:
    """Return the range of the ids of a file's tails, which begin with its own."""
    return {"$gt": f"{file_id}-", "$lt": f"{file_id}."}
