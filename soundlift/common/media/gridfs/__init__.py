"""A media store in MongoDB's GridFS: an adapter of the media-store port.

The layout is that of the GridFS specification (https://github.com/mongodb/specifications, source/gridfs), so other
programs read our files, and we read theirs. PyMongo's own GridIn and GridOut are not used: GridIn holds 48 MB of an
upload in memory and does not notice that its file is deleted meanwhile; GridOut does not survive a lost connection.
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
    """A store of files in one database, which has the bucket's name, with GridFS's default prefix `fs`.

    `fs.begun` has the only writer that may commit an id. A delete removes this document first, and a commit removes it
    last, so that one of the two always notices the other.
    """

    def __init__(self, url: str, bucket: str) -> None:
        client_of(url, os.getpid())
        self._url = url
        self._bucket = bucket
        self._has_indexes = False

    def create(self, fid: str, info: MediaInfo) -> GridFsWriter:
        """Begin a file; remove what an earlier writer left under the id, but never a whole file."""
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
        """Remove the file, or the chunks of a writer that died; a writer that still runs fails to commit."""
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
        """Return the collections, of this process's client; only the primary is certain to have the latest writes."""
        client = client_of(self._url, os.getpid())
        database = client.get_database(self._bucket, read_preference=ReadPreference.PRIMARY)
        return Collections(database["fs.files"], database["fs.chunks"], database["fs.begun"])

    def _make_indexes(self, to: Collections) -> None:
        """Create GridFS's indexes, once, and only in an empty store as drivers do: it could take hours otherwise."""
        if not self._has_indexes and to.files.find_one({}, {"_id": True}) is None:
            to.files.create_index([("filename", ASCENDING), ("uploadDate", ASCENDING)])
            to.chunks.create_index([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)
        self._has_indexes = True
