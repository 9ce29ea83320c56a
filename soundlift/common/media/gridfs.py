"""Keeps media in MongoDB's GridFS: an adapter of the media-store port.

The layout is that of the GridFS specification (https://github.com/mongodb/specifications, source/gridfs), so other
programs read our files, and we read theirs.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qs, urlsplit

from bson import Int64, ObjectId
from bson.errors import BSONError
from pymongo import ASCENDING, MongoClient
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError
from typing_extensions import Buffer

from soundlift.common.errors import MediaNotFound, SettingError, StoreUnavailable
from soundlift.common.media import MediaInfo, MediaReader, check_media_id
from soundlift.common.media.seekable import SeekableFile

CHUNK_SIZE = 255 * 1024
BATCH = 16  # chunks of one insert
WINDOW_BYTES = 4 * 2**20  # at most in one query: a cursor over the whole file dies with its connection
DEFAULTS = {"serverSelectionTimeoutMS": 3000, "connectTimeoutMS": 3000, "socketTimeoutMS": 10000, "w": "majority"}

Document = dict[str, Any]


@cache
def client_of(url: str) -> MongoClient[Document]:
    """Return the one client of a server in this process, without connecting; raises SettingError."""
    named = {name.lower() for name in parse_qs(urlsplit(url).query)}
    options: dict[str, Any] = {name: value for name, value in DEFAULTS.items() if name.lower() not in named}
    try:
        return MongoClient(url, connect=False, tz_aware=True, **options)
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise SettingError(f"Setting MEDIA_URL is no usable MongoDB address: {error}.", setting="MEDIA_URL") from None


class GridFsStore:
    """Holds the files of one database, named like the bucket, under GridFS's own prefix `fs`."""

    def __init__(self, url: str, bucket: str) -> None:
        database = client_of(url)[bucket]
        self._files = database["fs.files"]
        self._chunks = database["fs.chunks"]
        self._begun = database["fs.begun"]
        self._is_indexed = False

    def create(self, fid: str, info: MediaInfo) -> GridFsWriter:
        """Note that a file is begun, so that a delete is noticed even before there is a chunk of it."""
        file_id = ObjectId(check_media_id(fid))
        with _store_errors():
            self._index()
            begun = self._begun.insert_one({"files_id": file_id}).inserted_id
        return GridFsWriter(self, file_id, info, begun)

    def open(self, fid: str) -> MediaReader:
        """Open a file, ours or another program's."""
        with _store_errors():
            found = self._files.find_one({"_id": ObjectId(check_media_id(fid))})
        if found is None:
            raise MediaNotFound("There is no such file in the media store.", fid=fid)
        return MediaReader(int(found["length"]), cast(BinaryIO, io.BufferedReader(StoredFile(self, found), CHUNK_SIZE)))

    def delete(self, fid: str) -> None:
        """Remove the file, and the chunks of a writer that died; a writer at work finds out at its commit."""
        file_id = ObjectId(check_media_id(fid))
        with _store_errors():
            self._files.delete_one({"_id": file_id})
            self._begun.delete_many({"files_id": file_id})
            self._chunks.delete_many({"files_id": file_id})
            self._files.delete_one({"_id": file_id})  # of a commit in between

    def check(self) -> None:
        """Raise StoreUnavailable unless the database answers a query."""
        with _store_errors():
            self._files.find_one({}, {"_id": True})

    def insert(self, chunks: list[Document]) -> None:
        """Store chunks; raises StoreUnavailable."""
        with _store_errors():
            self._chunks.insert_many(chunks)

    def finish(self, begun: ObjectId, file: Document, chunks: Document, count: int) -> None:
        """Store the document of a file that nobody deleted since it was begun; raises StoreUnavailable.

        Its chunks are counted afterwards: a delete in between left a document without chunks.
        """
        with _store_errors():
            if self._begun.delete_one({"_id": begun}).deleted_count:
                self._files.insert_one(file)
                if self._chunks.count_documents(chunks) == count:
                    return
                self._files.delete_one({"_id": file["_id"]})
        raise StoreUnavailable("The file was deleted while it was written.")

    def remove(self, begun: ObjectId, chunks: Document) -> None:
        """Remove the chunks of a file that was begun; raises StoreUnavailable."""
        with _store_errors():
            self._begun.delete_one({"_id": begun})
            self._chunks.delete_many(chunks)

    def chunks(self, file_id: Any, first: int, end: int) -> list[bytes]:
        """Return the contents of some chunks, in order; raises StoreUnavailable."""
        window = {"files_id": file_id, "n": {"$gte": first, "$lt": end}}
        with _store_errors():
            found = list(self._chunks.find(window, {"n": True, "data": True}).sort("n", ASCENDING))
        if [chunk["n"] for chunk in found] != list(range(first, end)):
            raise _damaged(file_id)
        return [bytes(chunk["data"]) for chunk in found]

    def _index(self) -> None:
        """Make GridFS's indexes, once a process; one that is there already stays."""
        if self._is_indexed:
            return
        self._files.create_index([("filename", ASCENDING), ("uploadDate", ASCENDING)])
        self._chunks.create_index([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)
        self._is_indexed = True


class GridFsWriter:
    """Sends chunks in batches, and the file's document last, so that nobody sees half a file.

    The ids of its chunks begin with eight bytes of its own, so that it never touches those of another writer.
    """

    def __init__(self, store: GridFsStore, file_id: ObjectId, info: MediaInfo, begun: ObjectId) -> None:
        self._store = store
        self._file_id = file_id
        self._info = info
        self._begun = begun
        self._token = secrets.token_bytes(8)
        self._rest = bytearray()
        self._batch: list[Document] = []
        self._count = 0
        self._size = 0

    def write(self, data: bytes, /) -> int:
        """Add bytes; they are sent when there is a batch of whole chunks."""
        self._rest += data
        self._size += len(data)
        while len(self._rest) >= CHUNK_SIZE:
            self._add(bytes(memoryview(self._rest)[:CHUNK_SIZE]))
            del self._rest[:CHUNK_SIZE]
        return len(data)

    def commit(self) -> int:
        """Send what is left, then the file's document."""
        if self._rest:
            self._add(bytes(self._rest))
        self._send()
        self._store.finish(self._begun, self._document(), self._own_chunks(), self._count)
        return self._size

    def abort(self) -> None:
        """Remove the chunks sent so far; what cannot be removed now goes with the job's row."""
        with suppress(StoreUnavailable):
            self._store.remove(self._begun, self._own_chunks())

    def _add(self, data: bytes) -> None:
        chunk_id = ObjectId(self._token + self._count.to_bytes(4, "big"))
        self._batch.append({"_id": chunk_id, "files_id": self._file_id, "n": self._count, "data": data})
        self._count += 1
        if len(self._batch) == BATCH:
            self._send()

    def _send(self) -> None:
        batch, self._batch = self._batch, []
        if batch:
            self._store.insert(batch)

    def _own_chunks(self) -> Document:
        first, last = (ObjectId(self._token + number) for number in (bytes(4), b"\xff" * 4))
        return {"files_id": self._file_id, "_id": {"$gte": first, "$lte": last}}

    def _document(self) -> Document:
        info = self._info
        return {
            "_id": self._file_id,
            "length": Int64(self._size),
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


class StoredFile(SeekableFile):
    """Reads a window of chunks at a time: one after a seek, then twice as many each time, up to some megabytes."""

    def __init__(self, store: GridFsStore, document: Document) -> None:
        super().__init__(int(document["length"]))
        self._store = store
        self._file_id = document["_id"]
        self._chunk_size = int(document["chunkSize"])
        self._window = b""
        self._start = 0
        self._chunks = 1

    def readinto(self, buffer: Buffer, /) -> int:
        """Read into a buffer as much as the window has; raises StoreUnavailable."""
        if self._position >= self._size:
            return 0
        if not self._start <= self._position < self._start + len(self._window):
            self._load()
        offset = self._position - self._start
        view = memoryview(buffer).cast("B")
        part = memoryview(self._window)[offset : offset + len(view)]
        view[: len(part)] = part
        self._position += len(part)
        return len(part)

    def _load(self) -> None:
        first = self._position // self._chunk_size
        in_sequence = self._window and first * self._chunk_size == self._start + len(self._window)
        most = max(1, WINDOW_BYTES // self._chunk_size)
        self._chunks = min(2 * self._chunks, most) if in_sequence else 1
        end = min(first + self._chunks, -(-self._size // self._chunk_size))
        window = b"".join(self._store.chunks(self._file_id, first, end))
        self._start = first * self._chunk_size
        if len(window) != min(end * self._chunk_size, self._size) - self._start:
            raise _damaged(self._file_id)
        self._window = window


def _damaged(file_id: Any) -> StoreUnavailable:
    return StoreUnavailable("A file in the media store is damaged.", fid=str(file_id))


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except (PyMongoError, BSONError) as error:
        raise StoreUnavailable("The media store cannot be used.", cause=str(error)) from error
