"""The GridFS store and other programs: each can read and delete the files of the other."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import gridfs
import pytest
from bson import ObjectId
from pymongo.database import Database

from soundlift.common.media import MediaStore
from tests.contract.media.gridfs.documents import CHUNK, document_counts, write_file


@pytest.mark.parametrize("size", [0, 1, CHUNK, 3 * CHUNK + 1])
def test_our_files_and_their_metadata_can_be_read_by_other_programs(
    store: MediaStore, database: Database[dict[str, Any]], size: int
) -> None:
    content = os.urandom(size)
    file = gridfs.GridFS(database).get(ObjectId(write_file(store, content)))
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
    assert document_counts(database) == [0, 0, 0, 0]


def test_the_indexes_are_the_same_as_those_of_other_drivers(
    store: MediaStore, database: Database[dict[str, Any]]
) -> None:
    write_file(store, b"content")
    ours = [database[name].index_information() for name in ("fs.files", "fs.chunks")]
    database.client.drop_database("videos")
    gridfs.GridFS(database).put(b"content")
    assert ours == [database[name].index_information() for name in ("fs.files", "fs.chunks")]


def test_no_index_is_created_if_another_program_has_files_already(
    store: MediaStore, database: Database[dict[str, Any]]
) -> None:
    database["fs.files"].insert_one({"filename": "foreign"})
    write_file(store, b"content")
    assert [set(database[name].index_information()) for name in ("fs.files", "fs.chunks")] == [{"_id_"}, {"_id_"}]
