"""SQLite files: commits are flushed to the disk, and connections wait for locks, but not forever."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.v1.event import CloudEvent

from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.db import write_ahead_log
from soundlift.common.db.engine import open_database
from soundlift.common.db.write_ahead_log import MAX_WAIT_SECONDS, POLL_SECONDS, use_write_ahead_log
from soundlift.common.events import VIDEO_UPLOADED

# With a write-ahead log, NORMAL flushes only at checkpoints (https://www.sqlite.org/pragma.html#pragma_synchronous).
FULL = 2


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """Return the only connection of a queue's publisher."""
    connect, connections = sqlite3.connect, []

    def record(*arguments: object, **options: object) -> sqlite3.Connection:
        connections.append(connect(*arguments, **options))  # type: ignore[arg-type]  # passed on unchanged
        return connections[-1]

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", record)
        broker = SqliteBroker(tmp_path / "queue.db", {VIDEO_UPLOADED: {"video"}})
        broker.publish(CloudEvent({"specversion": "1.0", "id": "1", "source": "/test", "type": VIDEO_UPLOADED}, {}))
    (connection,) = connections
    yield connection
    broker.close()


def test_an_event_is_flushed_to_the_disk_before_publish_returns(connection: sqlite3.Connection) -> None:
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == FULL


def test_a_publisher_waits_ten_seconds_for_a_lock_of_the_queue(connection: sqlite3.Connection) -> None:
    assert connection.execute("PRAGMA busy_timeout").fetchone()[0] == 10_000


def test_a_reader_of_the_queue_does_not_wait_for_a_writer(connection: sqlite3.Connection, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "queue.db", timeout=0)) as reader:
        connection.execute("BEGIN EXCLUSIVE")
        assert reader.execute("SELECT queue FROM message").fetchall() == [("video",)]


class CountingConnection(sqlite3.Connection):
    """A connection that counts the statements that it was asked to execute."""

    statement_count = 0

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self.statement_count += 1
        return super().execute(*arguments)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Return a connection that holds the write lock of a new file."""
    # Its commit waits for another connection that is reading the file at that moment.
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None, timeout=DEADLINE_SECONDS)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        yield writer


@pytest.fixture
def another(tmp_path: Path) -> Iterator[CountingConnection]:
    """Return another connection to the file of `writer`."""
    options: dict[str, Any] = {"timeout": 0, "check_same_thread": False, "factory": CountingConnection}
    with closing(sqlite3.connect(tmp_path / "new.db", **options)) as another:
        yield another


def test_opening_a_new_file_waits_for_another_process_that_opens_it(
    writer: sqlite3.Connection, another: CountingConnection
) -> None:
    with ThreadPoolExecutor() as pool:
        opening = pool.submit(use_write_ahead_log, another)
        wait_for(lambda: another.statement_count > 1 or opening.done(), "the opening is retried")
        writer.execute("COMMIT")
        opening.result(timeout=30)
    assert another.execute("PRAGMA journal_mode").fetchone() == ("wal",)


class Clock:
    """A clock that advances only during a sleep."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.usefixtures("writer")
def test_opening_a_new_file_does_not_wait_forever(another: CountingConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(write_ahead_log, "time", clock)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        use_write_ahead_log(another)
    waited = clock.now - Clock.now
    assert waited == pytest.approx(MAX_WAIT_SECONDS, abs=2 * POLL_SECONDS)
    assert another.statement_count == pytest.approx(waited / POLL_SECONDS, abs=2)


def test_a_change_of_a_job_is_flushed_to_the_disk_before_the_call_returns(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/soundlift.db")
    with database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == FULL
    database.engine.dispose()


def test_a_change_of_a_job_waits_ten_seconds_for_a_lock(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/soundlift.db")
    with database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 10_000
    database.engine.dispose()
