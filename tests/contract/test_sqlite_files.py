"""What is committed to a SQLite file of ours is on the disk, and survives a loss of power."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.database import open_database
from soundlift.common.events import VIDEO_UPLOADED

# With a write-ahead log, NORMAL flushes it at a checkpoint only (https://www.sqlite.org/pragma.html#pragma_synchronous).
FULL = 2


def test_an_event_in_the_queue_is_flushed_before_its_publisher_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, opened = sqlite3.connect, []

    def remember(*arguments: object, **options: object) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))  # type: ignore[arg-type]  # handed on as they are
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", remember)
    broker = SqliteBroker(tmp_path / "queue.db", {VIDEO_UPLOADED: "video"})
    broker.publish(CloudEvent({"specversion": "1.0", "id": "1", "source": "/test", "type": VIDEO_UPLOADED}, {}))
    assert [one.execute("PRAGMA synchronous").fetchone()[0] for one in opened] == [FULL]
    broker.close()


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
