"""The GridFS store: cursors, indexes, concurrent writers, and damaged files."""

from __future__ import annotations

import os
from typing import Any

import gridfs
import pytest
from bson import ObjectId
from pymongo import ReadPreference
from pymongo.collection import Collection
from pymongo.database import Database

from devservers.mongodb import closing_client
from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.media import MediaStore, new_media_id, open_media
from tests.contract.media.gridfs.documents import CHUNK, INFO, document_counts, read_file, write_file
from tests.contract.media.medium import Medium


def test_chunks_are_read_in_order_regardless_of_their_order_in_the_database(
    store: MediaStore, database: Database[dict[str, Any]]
) -> None:
    content = os.urandom(2 * CHUNK + 10)
    fid = write_file(store, content)
    for number in (1, 0):
        chunk = database["fs.chunks"].find_one_and_delete({"files_id": ObjectId(fid), "n": number})
        assert chunk is not None
        database["fs.chunks"].insert_one({**chunk, "_id": ObjectId()})
    assert read_file(store, fid) == content


def test_reads_go_to_the_primary_regardless_of_the_url(gridfs_medium: Medium, monkeypatch: pytest.MonkeyPatch) -> None:
    preferences: list[Any] = []
    find = Collection.find

    def record(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        preferences.append(self.read_preference)
        return find(self, *arguments, **options)

    monkeypatch.setattr(Collection, "find", record)  # find_one calls it, too
    with closing_client(f"{gridfs_medium.url}&readPreference=secondary") as url:
        store = open_media(url, "videos")
        assert read_file(store, write_file(store, b"content")) == b"content"
        store.check()
    assert preferences
    assert all(each == ReadPreference.PRIMARY for each in preferences)


def test_closing_a_partly_read_file_closes_its_cursor(
    store: MediaStore, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[Any] = []
    find = Collection.find

    def record(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        queries.append(find(self, *arguments, **options))
        return queries[-1]

    chunks = 5  # one more than in the first batch
    fid = gridfs.GridFS(database).put(bytes(chunks * 2**20), chunk_size=2**20)
    with store.open(str(fid)).file as file:
        monkeypatch.setattr(Collection, "find", record)
        assert file.read(1) == b"\0"
    (query,) = queries
    assert 1 + len(list(query)) < chunks


def test_one_chunk_is_queried_after_a_seek_and_more_as_reading_continues(
    store: MediaStore, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[int] = []
    find = Collection.find

    def record(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        limits.append(options["limit"])
        return find(self, *arguments, **options)

    content = os.urandom(40)
    fid = gridfs.GridFS(database).put(content, chunk_size=1)
    with store.open(str(fid)).file as file:
        monkeypatch.setattr(Collection, "find", record)
        assert file.read(3) == content[:3]
        file.seek(10)
        assert file.read(1) == content[10:11]
        file.seek(5)
        assert file.read(8) == content[5:13]
    assert limits == [0, 1, 1, 4, 16]


def test_aborted_and_deleted_files_leave_no_documents(store: MediaStore, database: Database[dict[str, Any]]) -> None:
    writer = store.create(new_media_id(), INFO)
    writer.write(bytes(30 * CHUNK))
    writer.abort()
    store.delete(write_file(store, bytes(30 * CHUNK)))
    fid = new_media_id()
    store.create(fid, INFO).write(bytes(30 * CHUNK))
    assert database["fs.chunks"].count_documents({}) > 0
    store.delete(fid)
    assert document_counts(database) == [0, 0, 0, 0]


def test_an_abort_after_a_failed_commit_leaves_no_documents(
    store: MediaStore, database: Database[dict[str, Any]]
) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    writer.write(bytes(3 * CHUNK))
    store.delete(fid)
    with pytest.raises(StoreUnavailable):
        writer.commit()
    with pytest.raises(MediaNotFound):
        store.open(fid)
    writer.abort()
    assert document_counts(database) == [0, 0, 0, 0]


def test_only_the_later_of_two_writers_of_one_id_can_commit(store: MediaStore) -> None:
    fid = new_media_id()
    earlier, later = store.create(fid, INFO), store.create(fid, INFO)
    earlier.write(b"earlier")
    later.write(b"later")
    with pytest.raises(StoreUnavailable):
        earlier.commit()
    assert later.commit() == 5
    earlier.abort()
    assert read_file(store, fid) == b"later"


def test_a_committed_file_is_never_overwritten(store: MediaStore) -> None:
    fid = write_file(store, b"content")
    for _ in range(2):
        writer = store.create(fid, INFO)
        with pytest.raises(StoreUnavailable):
            writer.write(bytes(30 * CHUNK))
            writer.commit()
        writer.abort()
        assert read_file(store, fid) == b"content"


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("damage", ["missing", "short", "long"])
def test_a_damaged_chunk_is_an_error_and_not_the_end_of_the_file(
    store: MediaStore, database: Database[dict[str, Any]], number: int, damage: str
) -> None:
    content = os.urandom(2 * CHUNK + 10)
    fid = write_file(store, content)
    chunk = {"files_id": ObjectId(fid), "n": number}
    if damage == "missing":
        database["fs.chunks"].delete_one(chunk)
    else:
        data = b"short" if damage == "short" else bytes(CHUNK + 1)
        database["fs.chunks"].update_one(chunk, {"$set": {"data": data}})
    with store.open(fid).file as file:
        if number:
            assert file.read(CHUNK) == content[:CHUNK]
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="damaged"):
                file.read()


def test_an_error_does_not_quote_an_entire_chunk(store: MediaStore, database: Database[dict[str, Any]]) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    database["fs.chunks"].insert_one({"files_id": ObjectId(fid), "n": 0, "data": b"another's"})
    writer.write(b"content")
    with pytest.raises(StoreUnavailable) as raised:
        writer.commit()
    assert len(raised.value.evidence["cause"]) < 1000
    writer.abort()
