"""Queues in a SQLite file: waiting for the file's write lock, and leases that end."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from cloudevents.core.v1.event import CloudEvent

from devservers.waiting import wait_for
from soundlift.common.broker import Delivery
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.events import VIDEO_UPLOADED, Message
from tests.factories.queues import FileQueues

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

LEASE_SECONDS = 1.0
VIDEO = ["video"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file whose queue has one message."""
    file = tmp_path / "queue.db"
    event = CloudEvent({"specversion": "1.0", "id": "1", "source": "/test", "type": VIDEO_UPLOADED}, {})
    _connect(file).publish(event)
    return file


def _connect(file: Path, lease_seconds: float = LEASE_SECONDS) -> SqliteBroker:
    return SqliteBroker(file, {VIDEO_UPLOADED: {"video"}}, lease_seconds=lease_seconds)


def _end_of_lease(file: Path) -> float:
    """Return when the only message becomes visible again."""
    with closing(sqlite3.connect(file)) as connection:
        return float(connection.execute("SELECT visible_at FROM message").fetchone()[0])


def _receive_while_locked(consumer: SqliteBroker, file: Path) -> tuple[Delivery | None, float]:
    """Have a consumer wait longer than a lease for the file; return what it receives and when the lock was released."""
    assert consumer.receive(["another"], 0) is None
    with ThreadPoolExecutor() as pool, closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        end = time.time() + 1.1 * LEASE_SECONDS
        waiting = pool.submit(consumer.receive, VIDEO, 0)
        wait_for(lambda: time.time() > end, "a lease would have ended")
        free = time.time()
        other.execute("COMMIT")
        return waiting.result(timeout=30), free


def test_a_lease_begins_when_the_file_is_free_however_long_the_wait_was(file: Path) -> None:
    taken, free = _receive_while_locked(_connect(file), file)
    assert taken is not None
    assert _end_of_lease(file) >= free + LEASE_SECONDS


def test_a_consumer_does_not_receive_its_own_message_again_after_a_long_wait(file: Path) -> None:
    consumer = _connect(file)
    taken = consumer.receive(VIDEO, 0)
    assert taken is not None
    again, free = _receive_while_locked(consumer, file)
    assert again is None
    assert _end_of_lease(file) >= free + LEASE_SECONDS
    consumer.accept(taken)
    assert _connect(file).receive(VIDEO, 0) is None


def test_a_lease_is_renewed_while_its_consumer_keeps_receiving(file: Path) -> None:
    consumer = _connect(file)
    assert consumer.receive(VIDEO, 0) is not None
    for _ in range(3):
        before = _end_of_lease(file)
        wait_for(lambda before=before: consumer.receive([], 0) or _end_of_lease(file) > before, "it is renewed")


def test_a_lease_is_not_renewed_on_every_poll_which_would_keep_the_disk_busy(file: Path) -> None:
    consumer = _connect(file, 3600)
    assert consumer.receive(VIDEO, 0) is not None
    ends = _end_of_lease(file)
    for _ in range(3):
        assert consumer.receive(VIDEO, 0) is None
    assert _end_of_lease(file) == ends


def test_a_consumer_whose_lease_ended_can_no_longer_settle_the_message(file: Path) -> None:
    stalled, other = _connect(file), _connect(file)
    late = stalled.receive(VIDEO, 0)
    assert late is not None
    ends = _end_of_lease(file)
    taken = other.receive(VIDEO, 30)
    assert taken is not None
    assert time.time() >= ends
    held_until = _end_of_lease(file)
    assert stalled.receive([], 0) is None  # renews only the leases it still holds
    stalled.accept(late)
    stalled.retry(late, delay=0)
    stalled.reject(late, {})
    assert (_end_of_lease(file), list(other.list())) == (held_until, [])
    other.accept(taken)
    assert _connect(file).receive(VIDEO, 0) is None


def test_a_message_of_another_program_is_delivered_unchanged(tmp_path: Path) -> None:
    queues = FileQueues(tmp_path / "queue.db")
    queues.put("video", b"text", "text/plain", {"name": "value"})
    delivery = queues.connect().receive(VIDEO, 0)
    assert delivery is not None
    assert delivery.message == Message(b"text", "text/plain", {"name": "value"})
