"""What only a queue in a SQLite file can meet: others who hold the file's one write lock."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.events import VIDEO_UPLOADED

LEASE_SECONDS = 1.0


def _connect(file: Path) -> SqliteBroker:
    return SqliteBroker(file, {VIDEO_UPLOADED: "video"}, lease_seconds=LEASE_SECONDS)


def test_a_lease_is_whole_however_long_the_consumer_waited_for_the_file(tmp_path: Path) -> None:
    first, second = _connect(tmp_path / "queue.db"), _connect(tmp_path / "queue.db")
    first.publish(CloudEvent({"specversion": "1.0", "id": "1", "source": "/test", "type": VIDEO_UPLOADED}, {}))
    for consumer in (first, second):
        assert consumer.receive(["another"], 0) is None
    with ThreadPoolExecutor() as pool, closing(sqlite3.connect(tmp_path / "queue.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = pool.submit(first.receive, ["video"], 0)
        _hold(other, 1.1 * LEASE_SECONDS)
        other.execute("COMMIT")
        assert waiting.result(timeout=30) is not None
    assert second.receive(["video"], 0) is None


def _hold(connection: sqlite3.Connection, seconds: float) -> None:
    """Keep a transaction busy until the file's clock has moved on."""
    clock = "SELECT julianday('now') * 86400.0"
    end = connection.execute(clock).fetchone()[0] + seconds
    while connection.execute(clock).fetchone()[0] < end:
        pass
