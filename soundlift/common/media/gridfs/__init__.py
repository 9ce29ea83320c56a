"""A media store in MongoDB's GridFS: an adapter of the media-store port.

The layout follows the GridFS specification (https://github.com/mongodb/specifications, source/gridfs), so that other
programs can read our files and vice versa. PyMongo's own GridIn and GridOut are not used: GridIn holds 48 MB of an
upload in memory and does not notice the concurrent deletion of its file; GridOut does not survive a lost connection.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, cast

from bson import ObjectId
from pymongo import ASCENDING, ReadPreference

from soundlift.common.errors import MediaNotFound
from soundlift.common.media import ListedFile, MediaInfo, MediaReader, check_media_id
from soundlift.common.media.gridfs.listing import committed_files, unfinished_files
from soundlift.common.media.gridfs.resumption import GridFsResumption
from soundlift.common.media.gridfs.server import get_client, store_errors
from soundlift.common.media.gridfs.stored_file import StoredFile
from soundlift.common.media.gridfs.writer import Collections, GridFsWriter, tails_of


class GridFsStore:
    """A store in the database named after the bucket, with GridFS's default prefix `fs`.

    `fs.begun` records, for each id, the only writer that may commit it. `delete` removes this document first and
    `commit` removes it last, so that one of the two always notices the other.
    """

    def __init__(self, url: str, bucket: str) -> None:
        get_client(url, os.getpid())
        self._url = url
        self._bucket = bucket
        self._has_indexes = False

    def create(self, fid: str, info: MediaInfo) -> GridFsWriter:
        """Begin a file; remove the remains of an earlier writer of the same id, but never a committed file."""
        file_id, writer = ObjectId(check_media_id(fid)), ObjectId()
        collections = self._collections
        with store_errors():
            self._create_indexes(collections)
            earlier = collections.begun.replace_one({"_id": file_id}, {"writer": writer}, upsert=True).matched_count
            if earlier and not collections.files.find_one({"_id": file_id}):
                collections.chunks.delete_many({"files_id": file_id})
        return GridFsWriter(collections, {"_id": file_id, "writer": writer}, info)

    def open(self, fid: str) -> MediaReader:
        """Open a file, which another program may have written."""
        collections = self._collections
        with store_errors():
            found = collections.files.find_one({"_id": ObjectId(check_media_id(fid))})
        if found is None:
            raise MediaNotFound("The media store has no such file.", fid=fid)
        return MediaReader(int(found["length"]), cast(BinaryIO, StoredFile(collections.chunks, found)))

    def delete(self, fid: str) -> None:
        """Remove the file, or what an interrupted writer has stored; a writer still at work cannot commit."""
        file_id, collections = ObjectId(check_media_id(fid)), self._collections
        with store_errors():
            collections.begun.delete_one({"_id": file_id})
            collections.files.delete_one({"_id": file_id})
            collections.chunks.delete_many({"files_id": file_id})
            collections.tails.delete_many({"_id": tails_of(file_id)})

    def check(self) -> None:
        """Raise StoreUnavailable unless the database answers a query."""
        with store_errors():
            self._collections.files.find_one({}, {"_id": True})

    def resumable(self) -> GridFsResumption:
        """Return the files that several requests write."""
        return GridFsResumption(self._open_collections)

    def list(self) -> Iterator[ListedFile]:
        """Yield the committed files, then those that a writer has begun."""
        collections = self._collections
        with store_errors():
            yield from committed_files(collections)
            yield from unfinished_files(collections)

    @property
    def _collections(self) -> Collections:
        """Return the collections; they read from the primary, because only it is certain to have the latest writes."""
        client = get_client(self._url, os.getpid())
        database = client.get_database(self._bucket, read_preference=ReadPreference.PRIMARY)
        return Collections(*(database[f"fs.{name}"] for name in ("files", "chunks", "begun", "tails")))

    def _open_collections(self) -> Collections:
        collections = self._collections
        with store_errors():
            self._create_indexes(collections)
        return collections

    def _create_indexes(self, collections: Collections) -> None:
        """Create GridFS's indexes, if the store is empty as in other drivers; in a large store it could take hours."""
        if not self._has_indexes and collections.files.find_one({}, {"_id": True}) is None:
            collections.files.create_index([("filename", ASCENDING), ("uploadDate", ASCENDING)])
            collections.chunks.create_index([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)
        self._has_indexes = True
