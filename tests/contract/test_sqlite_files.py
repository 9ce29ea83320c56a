"""What is committed to a SQLite file of ours is on the disk, and who uses it waits for others, but not for ever."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.v1.event import CloudEvent

from devservers.waiting import wait_for
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.db import write_ahead_log
from soundlift.common.db.engine import open_database
from soundlift.common.db.write_ahead_log import MAX_WAIT_SECONDS, POLL_SECONDS, use_write_ahead_log
from soundlift.common.events import VIDEO_UPLOADED

# With a write-ahead log, NORMAL flushes it at a checkpoint only (https://www.sqlite.org/pragma.html#pragma_synchronous).
FULL = 2


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """Return the one connection of a queue's publisher."""
    connect, opened = sqlite3.connect, []

    def remember(*arguments: object, **options: object) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))  # type: ignore[arg-type]  # handed on as they are
        return opened[-1]

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", remember)
        broker = SqliteBroker(tmp_path / "queue.db", {VIDEO_UPLOADED: {"video"}})
        broker.publish(CloudEvent({"specversion": "1.0", "id": "1", "source": "/test", "type": VIDEO_UPLOADED}, {}))
    (connection,) = opened
    yield connection
    broker.close()


def test_an_event_in_the_queue_is_flushed_before_its_publisher_is_told(opened: sqlite3.Connection) -> None:
    assert opened.execute("PRAGMA synchronous").fetchone()[0] == FULL


def test_a_publisher_waits_ten_seconds_for_others_who_write_to_the_queue(opened: sqlite3.Connection) -> None:
    assert opened.execute("PRAGMA busy_timeout").fetchone()[0] == 10_000


def test_who_reads_the_queue_does_not_wait_for_who_writes_to_it(opened: sqlite3.Connection, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "queue.db", timeout=0)) as reader:
        opened.execute("BEGIN EXCLUSIVE")
        assert reader.execute("SELECT queue FROM message").fetchall() == [("video",)]


class Counting(sqlite3.Connection):
    """A connection that counts the statements that were tried."""

    tried = 0

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self.tried += 1
        return super().execute(*arguments)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Return a connection that has the one write lock of a new file."""
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None, timeout=0)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        yield writer


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Counting]:
    """Return another connection to that file."""
    options: dict[str, Any] = {"timeout": 0, "check_same_thread": False, "factory": Counting}
    with closing(sqlite3.connect(tmp_path / "new.db", **options)) as another:
        yield another


def test_who_opens_a_new_file_waits_while_another_process_does(writer: sqlite3.Connection, another: Counting) -> None:
    with ThreadPoolExecutor() as pool:
        opening = pool.submit(use_write_ahead_log, another)
        wait_for(lambda: another.tried > 1 or opening.done(), "it has tried again")
        writer.execute("COMMIT")
        opening.result(timeout=30)
    assert another.execute("PRAGMA journal_mode").fetchone() == ("wal",)


class Clock:
    """A clock that goes on only while somebody sleeps."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.usefixtures("writer")
def test_who_opens_a_new_file_does_not_wait_for_ever(another: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(write_ahead_log, "time", clock)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        use_write_ahead_log(another)
    waited = clock.now - Clock.now
    assert waited == pytest.approx(MAX_WAIT_SECONDS, abs=2 * POLL_SECONDS)
    assert another.tried == pytest.approx(waited / POLL_SECONDS, abs=2)


def test_a_step_of_a_job_is_flushed_before_its_caller_is_told(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/soundlift.db")
    with database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == FULL
    database.engine.dispose()


def test_a_step_of_a_job_waits_ten_seconds_for_the_one_who_writes(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/soundlift.db")
    with database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 10_000
    database.engine.dispose()
