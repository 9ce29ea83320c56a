"""The GridFS store and other programs: each can read and delete the files of the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import gridfs
import pymongo
import pytest
from bson import ObjectId
from pymongo.database import Database

from devservers.mongodb import MongoDb
from soundlift.common.media import MediaInfo, MediaStore, new_media_id
from tests.contract.media.medium import Medium

CHUNK = 255 * 1024
INFO = MediaInfo(owner="ada@example.org", file_name="ä.mp4", content_type="video/mp4", job_id="1" * 24)


@pytest.fixture
def store(gridfs_medium: Medium) -> MediaStore:
    return gridfs_medium.open()


@pytest.fixture
def database(mongodb_server: MongoDb) -> Iterator[Database[dict[str, Any]]]:
    """Return the database of the videos, opened like another program does."""
    with pymongo.MongoClient[dict[str, Any]](mongodb_server.url) as client:
        yield client["videos"]


def _write(store: MediaStore, content: bytes, fid: str | None = None) -> str:
    fid = fid or new_media_id()
    writer = store.create(fid, INFO)
    writer.write(content)
    assert writer.commit() == len(content)
    return fid


def _document_counts(database: Database[dict[str, Any]]) -> list[int]:
    return [database[name].count_documents({}) for name in ("fs.files", "fs.chunks", "fs.begun")]


@pytest.mark.parametrize("size", [0, 1, CHUNK, 3 * CHUNK + 1])
def test_our_files_and_their_metadata_can_be_read_by_other_programs(
    store: MediaStore, database: Database[dict[str, Any]], size: int
) -> None:
    content = os.urandom(size)
    file = gridfs.GridFS(database).get(ObjectId(_write(store, content)))
    assert (file.read(), file.length, file.chunk_size, file.filename) == (content, size, CHUNK, "ä.mp4")
    assert file.metadata == {
        "owner": "ada@example.org",
        "file_name": "ä.mp4",
        "content_type": "video/mp4",
        "job": "1" * 24,
    }
    assert abs(datetime.now(UTC) - file.upload_date.replace(tzinfo=UTC)) < timedelta(minutes=10)
    assert database["fs.begun"].count_documents({}) == 0


@pytest.mark.parametrize("chunk_size", [1000, CHUNK, 2**22])
def test_files_of_other_programs_can_be_read_whatever_their_chunk_size(
    store: MediaStore, database: Database[dict[str, Any]], chunk_size: int
) -> None:
    content = os.urandom(2**20 + 1)
    fid = str(gridfs.GridFS(database).put(content, chunk_size=chunk_size))
    reader = store.open(fid)
    with reader.file as file:
        assert (reader.size, file.read()) == (len(content), content)
        file.seek(999)
        assert file.read(1002) == content[999:2001]


def test_files_of_other_programs_can_be_deleted(store: MediaStore, database: Database[dict[str, Any]]) -> None:
    fid = gridfs.GridFS(database).put(b"content")
    store.delete(str(fid))
    assert _document_counts(database) == [0, 0, 0]


def test_the_indexes_are_the_same_as_those_of_other_drivers(
    store: MediaStore, database: Database[dict[str, Any]]
) -> None:
    _write(store, b"content")
    ours = [database[name].index_information() for name in ("fs.files", "fs.chunks")]
    database.client.drop_database("videos")
    gridfs.GridFS(database).put(b"content")
    assert ours == [database[name].index_information() for name in ("fs.files", "fs.chunks")]


def test_no_index_is_created_if_another_program_has_files_already(
    store: MediaStore, database: Database[dict[str, Any]]
) -> None:
    database["fs.files"].insert_one({"filename": "foreign"})
    _write(store, b"content")
    assert [set(database[name].index_information()) for name in ("fs.files", "fs.chunks")] == [{"_id_"}, {"_id_"}]
