"""Files in GridFS that are written by several requests: an adapter of the port in resumable.py.

The id of a chunk begins with the epoch of its writer. A unique index admits one chunk of each number, so a writer that
finds the place of a chunk taken by an earlier epoch, which no row names, removes that one; if it was taken by a later
epoch, the writer itself is the one that is late. The bytes that do not fill a chunk yet, the tail, are a document of
another collection, which has few: some servers that speak MongoDB's protocol read all documents to find one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from bson import ObjectId
from pymongo.errors import BulkWriteError, DuplicateKeyError

from soundlift.common.errors import MediaNotFound, StoreUnavailable, UploadSuperseded
from soundlift.common.media import MediaInfo, check_media_id
from soundlift.common.media.gridfs.server import BATCH_BYTES, Document, store_errors
from soundlift.common.media.gridfs.writer import CHUNK_SIZE, Collections, file_document, tails_of
from soundlift.common.media.resumable import Checkpoint, SaveState

CHECKPOINT_BYTES = 16 * 2**20
CHECKPOINT_SECONDS = 2.0
DUPLICATE_KEY = 11000
INSERT_TRIES = 5  # one for each writer of an earlier epoch that wakes up at the same time
LOST = "The media store has lost the beginning of this file."


@dataclass(frozen=True)
class State:
    """What the row says: the size in bytes that the file was expected to have, and the id of its tail."""

    expected: int
    tail: str = ""

    @classmethod
    def read(cls, text: str) -> State:
        """Return the state of a text; raises MediaNotFound for that of another store, whose file is not here."""
        try:
            return cls(**json.loads(text))
        except TypeError:
            raise MediaNotFound(LOST) from None

    @property
    def text(self) -> str:
        """Return the text for the row."""
        return json.dumps(asdict(self))


class GridFsResumption:
    """The resumable files of a bucket; `open_collections` also creates the indexes of an empty one."""

    def __init__(self, open_collections: Callable[[], Collections]) -> None:
        self._open_collections = open_collections

    def begin(self, fid: str, info: MediaInfo, *, expected_bytes: int) -> str:
        """Record that the file is being written, as for any other file."""
        begun = {"$setOnInsert": {"writer": ObjectId()}}
        with store_errors():
            self._open_collections().begun.update_one({"_id": ObjectId(check_media_id(fid))}, begun, upsert=True)
        return State(expected_bytes).text

    def resume(self, fid: str, state: str, *, offset: int, epoch: int, save: SaveState) -> GridFsResumer:
        """Read the tail; the whole chunks are in their places."""
        file_id, collections = ObjectId(check_media_id(fid)), self._open_collections()
        chunks, tail_bytes = divmod(offset, CHUNK_SIZE)
        known = State.read(state)
        with store_errors():
            if collections.begun.find_one({"_id": file_id}) is None:
                raise MediaNotFound(LOST, fid=fid)
            found = collections.tails.find_one({"_id": known.tail}) if tail_bytes else None
        data = found["data"] if found else b""
        if len(data) < tail_bytes:
            raise MediaNotFound(LOST, fid=fid)
        return GridFsResumer(collections, file_id, epoch, known, chunks, data[:tail_bytes])

    def finish(self, fid: str, state: str, info: MediaInfo, *, size: int) -> None:
        """Insert the file's document, then remove the record of its beginning, which `delete` removes first.

        Killed writers may have left chunks beyond the end if the file has another size than was expected.
        """
        file_id, collections = ObjectId(check_media_id(fid)), self._open_collections()
        with store_errors():
            if collections.begun.find_one({"_id": file_id}):
                if size != State.read(state).expected:
                    count = -(-size // CHUNK_SIZE)
                    collections.chunks.delete_many({"files_id": file_id, "n": {"$gte": count}})
                collections.tails.delete_many({"_id": tails_of(file_id)})
                inserted = _insert(collections, file_document(file_id, size, info))
                if not collections.begun.delete_one({"_id": file_id}).deleted_count and inserted:
                    collections.files.delete_one({"_id": file_id})  # it was deleted meanwhile
                    collections.chunks.delete_many({"files_id": file_id})
            found = collections.files.find_one({"_id": file_id})
        if found is None or int(found["length"]) != size:
            raise MediaNotFound(LOST, fid=fid)


class GridFsResumer:
    """A writer that continues after a number of whole chunks and a tail."""

    checkpoint_bytes = CHECKPOINT_BYTES
    checkpoint_seconds = CHECKPOINT_SECONDS

    def __init__(  # noqa: PLR0913, PLR0917 - the place where the file continues
        self, collections: Collections, file_id: ObjectId, epoch: int, state: State, count: int, tail: bytes
    ) -> None:
        self._chunks = collections.chunks
        self._stored_tails = collections.tails
        self._file_id = file_id
        self._epoch = epoch
        self._prefix = epoch.to_bytes(4, "big") + secrets.token_bytes(4)
        self._count = self._committed_count = count
        self._state = self._committed = state
        self._tails = 0
        self._buffer = bytearray(tail)
        self._batch: list[Document] = []

    def write(self, data: bytes, /) -> None:
        """Add bytes; they are sent when they fill a batch of chunks."""
        self._buffer += data
        self._split(CHUNK_SIZE)
        if len(self._batch) * CHUNK_SIZE >= BATCH_BYTES:
            self._send_batch()

    def checkpoint(self, *, complete: bool, last: bool = False) -> Checkpoint:
        """Send all whole chunks, and the rest as a tail, or as the last chunk."""
        size = self._count * CHUNK_SIZE + len(self._buffer)
        if last:
            self._split(1)
        self._send_batch()
        if self._buffer and not complete:
            size = self._count * CHUNK_SIZE
            if self._count == self._committed_count:  # the row names the tail that these bytes continue
                return Checkpoint(size, self._committed.text)
        tail = self._send_tail() if self._buffer and complete else ""
        self._state = replace(self._state, tail=tail)
        return Checkpoint(size, self._state.text)

    def committed(self) -> None:
        """Remove the tail that the row has ceased to name; what killed writers have left is removed at the end."""
        earlier, self._committed, self._committed_count = self._committed.tail, self._state, self._count
        if earlier != self._state.tail:
            self._remove_tail(earlier)

    def close(self, *, discard: bool) -> None:
        """Remove the chunks of this epoch that no checkpoint names."""
        if not discard:
            return
        if self._state.tail != self._committed.tail:
            self._remove_tail(self._state.tail)
        mine = {"$gte": ObjectId(self._prefix + bytes(4)), "$lte": ObjectId(self._prefix + b"\xff" * 4)}
        with suppress(StoreUnavailable), store_errors():
            self._chunks.delete_many({"files_id": self._file_id, "n": {"$gte": self._committed_count}, "_id": mine})

    def _split(self, min_bytes: int) -> None:
        """Split off chunks while at least `min_bytes` remain."""
        while len(self._buffer) >= min_bytes:
            data = bytes(memoryview(self._buffer)[:CHUNK_SIZE])
            del self._buffer[:CHUNK_SIZE]
            self._batch.append(self._chunk(self._count, data))
            self._count += 1

    def _chunk(self, number: int, data: bytes) -> Document:
        chunk_id = ObjectId(self._prefix + number.to_bytes(4, "big"))
        return {"_id": chunk_id, "files_id": self._file_id, "n": number, "data": data}

    def _send_batch(self) -> None:
        """Insert the chunks, in the places of those that earlier epochs have left."""
        for _ in range(INSERT_TRIES):
            if not self._batch:
                return
            with store_errors():
                try:
                    self._chunks.insert_many(self._batch, ordered=False)
                    self._batch = []
                except BulkWriteError as error:
                    if {each["code"] for each in error.details["writeErrors"]} != {DUPLICATE_KEY}:
                        raise
                    self._batch = self._without_earlier()
        if self._batch:
            raise UploadSuperseded

    def _without_earlier(self) -> list[Document]:
        """Remove the chunks of earlier epochs in the places of this batch, and return what is not inserted yet.

        Raises UploadSuperseded if a later epoch has a chunk there.
        """
        first = ObjectId(self._epoch.to_bytes(4, "big") + bytes(8))
        places = {"files_id": self._file_id, "n": {"$in": [chunk["n"] for chunk in self._batch]}}
        self._chunks.delete_many({**places, "_id": {"$lt": first}})
        present = {chunk["n"]: chunk["_id"] for chunk in self._chunks.find(places, {"n": True})}
        if any(present.get(chunk["n"], chunk["_id"]) != chunk["_id"] for chunk in self._batch):
            raise UploadSuperseded
        return [chunk for chunk in self._batch if chunk["n"] not in present]

    def _send_tail(self) -> str:
        self._tails += 1
        name = f"{self._file_id}-{self._epoch}-{self._tails}"
        with store_errors():
            self._stored_tails.insert_one({"_id": name, "stored_at": datetime.now(UTC), "data": bytes(self._buffer)})
        return name

    def _remove_tail(self, name: str) -> None:
        if name:
            with suppress(StoreUnavailable), store_errors():
                self._stored_tails.delete_one({"_id": name})


def _insert(collections: Collections, document: Document) -> bool:
    """Insert the document of a file, and return whether there was none."""
    try:
        collections.files.insert_one(document)
    except DuplicateKeyError:
        return False
    return True
