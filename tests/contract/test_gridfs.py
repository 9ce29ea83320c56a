"""What only GridFS has: other programs' files, chunks in the wrong place, a server that is killed, and a fork."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import gridfs
import pymongo
import pytest
from bson import ObjectId
from pymongo import ReadPreference
from pymongo.collection import Collection
from pymongo.database import Database

from devservers.mongodb import MongoDb, closing_client
from devservers.server import Server
from soundlift.common.errors import MediaNotFound, SettingError, StoreUnavailable
from soundlift.common.media import MediaInfo, MediaStore, new_media_id, open_media
from soundlift.common.media.gridfs.server import client_of
from tests.contract.medium import Medium

CHUNK = 255 * 1024
INFO = MediaInfo(owner="ada@example.org", file_name="ä.mp4", content_type="video/mp4", job_id="1" * 24)


@pytest.fixture
def store(gridfs_medium: Medium) -> MediaStore:
    return gridfs_medium.open()


@pytest.fixture
def database(mongodb_server: MongoDb) -> Iterator[Database[dict[str, Any]]]:
    """Return the database of the videos, as another program opens it."""
    with pymongo.MongoClient[dict[str, Any]](mongodb_server.url) as client:
        yield client["videos"]


@pytest.fixture
def server(mongodb_server: MongoDb) -> Iterator[Server]:
    """Return a server that may be killed or stopped; it is up again for the next test."""
    server = mongodb_server.server
    if server is None:
        pytest.skip("the server of TEST_MONGODB_URL is not ours to kill")
    yield server
    server.signal(signal.SIGCONT)
    if not server.is_running:
        server.start()


@pytest.fixture
def impatient(mongodb_server: MongoDb) -> Iterator[MediaStore]:
    """Return a store that waits for its server for a second."""
    with closing_client(f"{mongodb_server.url}?serverSelectionTimeoutMS=1000&socketTimeoutMS=1000") as url:
        yield open_media(url, "videos")
    mongodb_server.drop_files()


def _write(store: MediaStore, content: bytes, fid: str | None = None) -> str:
    fid = fid or new_media_id()
    writer = store.create(fid, INFO)
    writer.write(content)
    assert writer.commit() == len(content)
    return fid


def _read(store: MediaStore, fid: str) -> bytes:
    with store.open(fid).file as file:
        return file.read()


def _left(database: Database[dict[str, Any]]) -> list[int]:
    return [database[name].count_documents({}) for name in ("fs.files", "fs.chunks", "fs.begun")]


@pytest.mark.parametrize("size", [0, 1, CHUNK, 3 * CHUNK + 1])
def test_a_plain_driver_reads_our_files_with_what_is_known_of_them(
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
def test_we_read_files_of_a_plain_driver_with_chunks_of_any_size(
    store: MediaStore, database: Database[dict[str, Any]], chunk_size: int
) -> None:
    content = os.urandom(2**20 + 1)
    fid = str(gridfs.GridFS(database).put(content, chunk_size=chunk_size))
    reader = store.open(fid)
    with reader.file as file:
        assert (reader.size, file.read()) == (len(content), content)
        file.seek(999)
        assert file.read(1002) == content[999:2001]


def test_a_file_is_read_in_order_in_whichever_order_its_chunks_are_kept(
    store: MediaStore, database: Database[dict[str, Any]]
) -> None:
    content = os.urandom(2 * CHUNK + 10)
    fid = _write(store, content)
    for number in (1, 0):
        chunk = database["fs.chunks"].find_one_and_delete({"files_id": ObjectId(fid), "n": number})
        assert chunk is not None
        database["fs.chunks"].insert_one({**chunk, "_id": ObjectId()})
    assert _read(store, fid) == content


def test_we_delete_files_of_a_plain_driver(store: MediaStore, database: Database[dict[str, Any]]) -> None:
    fid = gridfs.GridFS(database).put(b"content")
    store.delete(str(fid))
    assert _left(database) == [0, 0, 0]


def test_the_indexes_are_those_of_every_driver(store: MediaStore, database: Database[dict[str, Any]]) -> None:
    _write(store, b"content")
    ours = [database[name].index_information() for name in ("fs.files", "fs.chunks")]
    database.client.drop_database("videos")
    gridfs.GridFS(database).put(b"content")
    assert ours == [database[name].index_information() for name in ("fs.files", "fs.chunks")]


def test_no_index_is_made_where_another_program_has_files_already(
    store: MediaStore, database: Database[dict[str, Any]]
) -> None:
    database["fs.files"].insert_one({"filename": "another's"})
    _write(store, b"content")
    assert [set(database[name].index_information()) for name in ("fs.files", "fs.chunks")] == [{"_id_"}, {"_id_"}]


def test_the_primary_is_asked_whatever_the_address_prefers(
    gridfs_medium: Medium, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    find = Collection.find

    def record(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        asked.append(self.read_preference)
        return find(self, *arguments, **options)

    monkeypatch.setattr(Collection, "find", record)  # find_one asks by it, too
    with closing_client(f"{gridfs_medium.url}&readPreference=secondary") as url:
        store = open_media(url, "videos")
        assert _read(store, _write(store, b"content")) == b"content"
        store.check()
    assert asked
    assert all(each == ReadPreference.PRIMARY for each in asked)


def test_a_file_that_is_closed_half_read_leaves_no_query_to_the_server(
    store: MediaStore, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[Any] = []
    find = Collection.find

    def record(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        queries.append(find(self, *arguments, **options))
        return queries[-1]

    chunks = 5  # one more than the first answer has
    fid = gridfs.GridFS(database).put(bytes(chunks * 2**20), chunk_size=2**20)
    with store.open(str(fid)).file as file:
        monkeypatch.setattr(Collection, "find", record)
        assert file.read(1) == b"\0"
    (query,) = queries
    assert 1 + len(list(query)) < chunks


def test_after_a_seek_one_chunk_is_asked_for_and_more_if_reading_goes_on(
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


def test_nothing_is_left_of_what_was_aborted_or_deleted(store: MediaStore, database: Database[dict[str, Any]]) -> None:
    writer = store.create(new_media_id(), INFO)
    writer.write(bytes(30 * CHUNK))
    writer.abort()
    store.delete(_write(store, bytes(30 * CHUNK)))
    fid = new_media_id()
    store.create(fid, INFO).write(bytes(30 * CHUNK))
    assert database["fs.chunks"].count_documents({}) > 0
    store.delete(fid)
    assert _left(database) == [0, 0, 0]


def test_a_writer_that_could_not_commit_leaves_no_file_when_it_is_aborted(
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
    assert _left(database) == [0, 0, 0]


def test_of_two_writers_of_one_id_the_later_one_wins(store: MediaStore) -> None:
    fid = new_media_id()
    earlier, later = store.create(fid, INFO), store.create(fid, INFO)
    earlier.write(b"earlier")
    later.write(b"later")
    with pytest.raises(StoreUnavailable):
        earlier.commit()
    assert later.commit() == 5
    earlier.abort()
    assert _read(store, fid) == b"later"


def test_a_whole_file_is_never_written_over(store: MediaStore) -> None:
    fid = _write(store, b"content")
    for _ in range(2):
        writer = store.create(fid, INFO)
        with pytest.raises(StoreUnavailable):
            writer.write(bytes(30 * CHUNK))
            writer.commit()
        writer.abort()
        assert _read(store, fid) == b"content"


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("damage", ["missing", "short", "long"])
def test_a_file_with_a_damaged_chunk_is_unavailable_and_never_short(
    store: MediaStore, database: Database[dict[str, Any]], number: int, damage: str
) -> None:
    content = os.urandom(2 * CHUNK + 10)
    fid = _write(store, content)
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


def test_an_error_does_not_quote_the_chunk_that_it_is_about(
    store: MediaStore, database: Database[dict[str, Any]]
) -> None:
    fid = new_media_id()
    writer = store.create(fid, INFO)
    database["fs.chunks"].insert_one({"files_id": ObjectId(fid), "n": 0, "data": b"another's"})
    writer.write(b"content")
    with pytest.raises(StoreUnavailable) as raised:
        writer.commit()
    assert len(raised.value.evidence["cause"]) < 1000
    writer.abort()


def test_what_was_committed_survives_a_kill_and_what_was_not_can_be_deleted_after_it(
    impatient: MediaStore, server: Server, mongodb_server: MongoDb, database: Database[dict[str, Any]]
) -> None:
    content = os.urandom(20 * CHUNK)
    fid, half = _write(impatient, content), new_media_id()
    writer = impatient.create(half, INFO)
    writer.write(bytes(20 * CHUNK))
    with impatient.open(fid).file as file:
        found = file.read(CHUNK)
        server.kill()
        with pytest.raises(StoreUnavailable):
            writer.commit()
        writer.abort()
        server.start()
        assert found + file.read() == content
    assert _read(impatient, fid) == content
    with pytest.raises(MediaNotFound):
        impatient.open(half)
    impatient.delete(half)
    impatient.delete(fid)
    assert _left(database) == [0, 0, 0]


def test_a_writer_goes_on_after_a_restart_between_two_chunks(impatient: MediaStore, server: Server) -> None:
    fid = new_media_id()
    writer, content = impatient.create(fid, INFO), os.urandom(40 * CHUNK)
    writer.write(content[: 20 * CHUNK])
    server.kill()
    with pytest.raises(StoreUnavailable):
        writer.write(content[20 * CHUNK :])
    server.start()
    assert writer.commit() == len(content)
    assert _read(impatient, fid) == content


def test_a_stopped_server_is_unavailable_and_used_again_when_it_goes_on(impatient: MediaStore, server: Server) -> None:
    content = os.urandom(20 * CHUNK)
    fid = _write(impatient, content)
    with impatient.open(fid).file as file:
        found = file.read(CHUNK)
        server.signal(signal.SIGSTOP)
        for step in (impatient.check, file.read):
            with pytest.raises(StoreUnavailable):
                step()
        server.signal(signal.SIGCONT)
        assert found + file.read() == content


FORK = """
import os, sys
from soundlift.common.media import MediaInfo, open_media
store = open_media(sys.argv[1], "videos")
def copy(fid):
    writer = store.create(fid, MediaInfo("o", "f", "t", "j"))
    writer.write(fid.encode())
    writer.commit()
    with store.open(fid).file as file:
        assert file.read() == fid.encode()
copy("a" * 24)
child = os.fork()
copy("b" * 24 if child else "c" * 24)
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


def test_a_store_can_be_used_on_both_sides_of_a_fork(gridfs_medium: Medium) -> None:
    arguments = [sys.executable, "-W", "error", "-c", FORK, gridfs_medium.url]
    assert subprocess.run(arguments, check=False, timeout=60).returncode == 0


@pytest.mark.parametrize(
    "url",
    ["mongodb://", "mongodb://host:port/", "mongodb://a:b:c@host/", "mongodb+srv://"],
)
def test_an_address_that_no_driver_takes_is_a_clear_error_without_the_password(url: str) -> None:
    with pytest.raises(SettingError, match="MEDIA_URL") as raised:
        open_media(url, "videos")
    assert raised.value.evidence == {"setting": "MEDIA_URL"}


def test_opening_a_store_asks_no_server() -> None:
    for url in ("mongodb://a.invalid,b.invalid:27018/?replicaSet=rs", "mongodb+srv://user:secret@cluster.invalid/"):
        open_media(url, "videos")


def test_a_server_has_seconds_to_answer_and_a_majority_to_keep_unless_the_url_says_otherwise() -> None:
    usual, other = (client_of(f"mongodb://host/{said}", 0).options for said in ("", "?socketTimeoutMS=1500&W=1"))
    assert (usual.pool_options.socket_timeout, usual.write_concern.document) == (10, {"w": "majority"})
    assert (usual.server_selection_timeout, usual.pool_options.connect_timeout) == (3, 3)
    assert (other.pool_options.socket_timeout, other.write_concern.document) == (1.5, {"w": 1})
    assert other.server_selection_timeout == 3
