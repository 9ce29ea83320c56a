"""Keeps media in MongoDB's GridFS: an adapter of the media-store port.

The layout is that of the GridFS specification (https://github.com/mongodb/specifications, source/gridfs), so other
programs read our files, and we read theirs. PyMongo's own GridIn and GridOut are not used: GridIn holds 48 MB of an
upload in memory and does not learn of a delete in the middle of it; GridOut does not go on over a lost connection.
"""

from __future__ import annotations

import os
from typing import BinaryIO, cast

from bson import ObjectId
from pymongo import ASCENDING, ReadPreference

from soundlift.common.errors import MediaNotFound
from soundlift.common.media import MediaInfo, MediaReader, check_media_id
from soundlift.common.media.gridfs.server import client_of, store_errors
from soundlift.common.media.gridfs.stored_file import StoredFile
from soundlift.common.media.gridfs.writer import Collections, GridFsWriter


class GridFsStore:
    """Holds the files of one database, named like the bucket, under GridFS's own prefix `fs`.

    `fs.begun` has the one writer that may commit an id. A delete removes that first, and a commit last, so of the two
    one always sees the other.
    """

    def __init__(self, url: str, bucket: str) -> None:
        client_of(url, os.getpid())
        self._url = url
        self._bucket = bucket
        self._has_indexes = False

    def create(self, fid: str, info: MediaInfo) -> GridFsWriter:
        """Begin a file; what an earlier writer left under the id is removed, but never a whole file."""
        file_id, writer = ObjectId(check_media_id(fid)), ObjectId()
        to = self._collections
        with store_errors():
            self._make_indexes(to)
            earlier = to.begun.replace_one({"_id": file_id}, {"writer": writer}, upsert=True).matched_count
            if earlier and not to.files.find_one({"_id": file_id}):
                to.chunks.delete_many({"files_id": file_id})
        return GridFsWriter(to, {"_id": file_id, "writer": writer}, info)

    def open(self, fid: str) -> MediaReader:
        """Open a file, ours or another program's."""
        kept = self._collections
        with store_errors():
            found = kept.files.find_one({"_id": ObjectId(check_media_id(fid))})
        if found is None:
            raise MediaNotFound("There is no such file in the media store.", fid=fid)
        return MediaReader(int(found["length"]), cast(BinaryIO, StoredFile(kept.chunks, found)))

    def delete(self, fid: str) -> None:
        """Remove the file, and the chunks of a writer that died; a writer at work finds out at its commit."""
        file_id, kept = ObjectId(check_media_id(fid)), self._collections
        with store_errors():
            kept.begun.delete_one({"_id": file_id})
            kept.files.delete_one({"_id": file_id})
            kept.chunks.delete_many({"files_id": file_id})

    def check(self) -> None:
        """Raise StoreUnavailable unless the database answers a query."""
        with store_errors():
            self._collections.files.find_one({}, {"_id": True})

    @property
    def _collections(self) -> Collections:
        """Return the collections by the client of this process; only the primary surely has what was written last."""
        client = client_of(self._url, os.getpid())
        database = client.get_database(self._bucket, read_preference=ReadPreference.PRIMARY)
        return Collections(database["fs.files"], database["fs.chunks"], database["fs.begun"])

    def _make_indexes(self, to: Collections) -> None:
        """Make GridFS's own indexes, once, and as drivers do: not where there are files, for it could take hours."""
        if not self._has_indexes and to.files.find_one({}, {"_id": True}) is None:
            to.files.create_index([("filename", ASCENDING), ("uploadDate", ASCENDING)])
            to.chunks.create_index([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)
        self._has_indexes = True
