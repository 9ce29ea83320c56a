"""The GridFS store and its server: URLs, kills, pauses and forks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from devservers.mongodb import MongoDb, closing_client
from devservers.server import Server
from soundlift.common.errors import MediaNotFound, SettingError, StoreUnavailable
from soundlift.common.media import MediaStore, new_media_id, open_media
from soundlift.common.media.gridfs.server import get_client
from tests.contract.media.gridfs.documents import CHUNK, INFO, document_counts, read_file, write_file
from tests.contract.media.medium import Medium


@pytest.fixture
def server(mongodb_server: MongoDb) -> Iterator[Server]:
    """Return a server that a test may kill or stop; it is restarted for the next test."""
    server = mongodb_server.server
    if server is None:
        pytest.skip("the server of TEST_MONGODB_URL must not be killed")
    yield server
    server.signal(signal.SIGCONT)
    if not server.is_running:
        server.start()


@pytest.fixture
def store(mongodb_server: MongoDb) -> Iterator[MediaStore]:
    """Return a store whose server has the default time to respond."""
    with closing_client(mongodb_server.url) as url:
        yield open_media(url, "videos")
    mongodb_server.drop_files()


@pytest.fixture
def store_with_short_timeout(mongodb_server: MongoDb) -> Iterator[MediaStore]:
    """Return a store whose server has two seconds to respond, for a test that waits for that."""
    with closing_client(f"{mongodb_server.url}?serverSelectionTimeoutMS=2000&socketTimeoutMS=2000") as url:
        yield open_media(url, "videos")
    mongodb_server.drop_files()


def test_a_committed_file_survives_a_kill_of_the_server(
    store: MediaStore, server: Server, mongodb_server: MongoDb, database: Database[dict[str, Any]]
) -> None:
    content = os.urandom(20 * CHUNK)
    fid, unfinished = write_file(store, content), new_media_id()
    writer = store.create(unfinished, INFO)
    writer.write(bytes(20 * CHUNK))
    with store.open(fid).file as file:
        found = file.read(CHUNK)
        server.kill()
        with pytest.raises(StoreUnavailable):
            writer.commit()
        writer.abort()
        server.start()
        assert found + file.read() == content
    assert read_file(store, fid) == content
    with pytest.raises(MediaNotFound):
        store.open(unfinished)
    store.delete(unfinished)
    store.delete(fid)
    assert document_counts(database) == [0, 0, 0, 0]


def test_a_writer_continues_after_a_restart_of_the_server(store: MediaStore, server: Server) -> None:
    fid = new_media_id()
    writer, content = store.create(fid, INFO), os.urandom(40 * CHUNK)
    writer.write(content[: 20 * CHUNK])
    server.kill()
    with pytest.raises(StoreUnavailable):
        writer.write(content[20 * CHUNK :])
    server.start()
    assert writer.commit() == len(content)
    assert read_file(store, fid) == content


def test_a_paused_server_is_unavailable_until_it_continues(
    store_with_short_timeout: MediaStore, server: Server
) -> None:
    content = os.urandom(20 * CHUNK)
    fid = write_file(store_with_short_timeout, content)
    with store_with_short_timeout.open(fid).file as file:
        found = file.read(CHUNK)
        server.signal(signal.SIGSTOP)
        for step in (store_with_short_timeout.check, file.read):
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


def test_a_store_can_be_used_in_parent_and_child_after_a_fork(gridfs_medium: Medium) -> None:
    arguments = [sys.executable, "-W", "error", "-c", FORK, gridfs_medium.url]
    assert subprocess.run(arguments, check=False, timeout=60).returncode == 0


@pytest.mark.parametrize(
    "url",
    ["mongodb://", "mongodb://host:port/", "mongodb://a:b:c@host/", "mongodb+srv://"],
)
def test_an_invalid_url_is_an_error_without_the_password(url: str) -> None:
    with pytest.raises(SettingError, match="MEDIA_URL") as raised:
        open_media(url, "videos")
    assert raised.value.evidence == {"setting": "MEDIA_URL"}


def test_opening_a_store_does_not_connect() -> None:
    for url in ("mongodb://a.invalid,b.invalid:27018/?replicaSet=rs", "mongodb+srv://user:secret@cluster.invalid/"):
        open_media(url, "videos")


def test_the_url_overrides_the_default_timeouts_and_write_concern() -> None:
    default, custom = (get_client(f"mongodb://host/{query}", 0).options for query in ("", "?socketTimeoutMS=1500&W=1"))
    assert (default.pool_options.socket_timeout, default.write_concern.document) == (10, {"w": "majority"})
    assert (default.server_selection_timeout, default.pool_options.connect_timeout) == (3, 3)
    assert (custom.pool_options.socket_timeout, custom.write_concern.document) == (1.5, {"w": 1})
    assert custom.server_selection_timeout == 3
