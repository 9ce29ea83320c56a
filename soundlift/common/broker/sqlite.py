"""The broker port over queues in one SQLite file."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import DeadLetter, Delivery, QueueCount
from soundlift.common.broker.routes import Routes, all_queues
from soundlift.common.db.write_ahead_log import use_write_ahead_log
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import Message, to_message

LEASE_SECONDS = 30.0
POLL_SECONDS = 0.05

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    body BLOB NOT NULL,
    content_type TEXT NOT NULL,
    headers TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    visible_at REAL NOT NULL,
    holder TEXT,
    reason TEXT
);
CREATE INDEX IF NOT EXISTS message_waiting ON message (queue, visible_at) WHERE reason IS NULL;
"""

RENEW = "UPDATE message SET visible_at = :lease WHERE holder = :holder"
LEASE = """
UPDATE message SET attempts = attempts + 1, holder = :holder, visible_at = :lease
WHERE id = (
    SELECT id FROM message
    WHERE reason IS NULL AND visible_at <= :now AND queue IN (SELECT value FROM json_each(:queues))
    ORDER BY visible_at LIMIT 1
)
RETURNING id, queue, body, content_type, headers, attempts
"""


COUNT_LIVE = "SELECT queue, count(*) FROM message WHERE reason IS NULL GROUP BY queue"
COUNT_DEAD = "SELECT queue, count(*) FROM message WHERE reason IS NOT NULL GROUP BY queue"
COUNT_LEASED = """
SELECT queue, count(*) FROM message
WHERE reason IS NULL AND visible_at > :now AND holder IS NOT NULL AND queue IN (SELECT value FROM json_each(:queues))
GROUP BY queue
"""


class SqliteBroker:
    """Queues in one file that any number of processes can share.

    A received message is invisible to others until its lease ends; `receive` renews the leases of this consumer.
    """

    def __init__(self, file: Path, routes: Routes, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._file = file
        self._routes = routes
        self._lease_seconds = lease_seconds
        self._holder = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._renewed = 0.0

    def publish(self, event: CloudEvent) -> None:
        """Insert a message for each queue in one transaction, whose commit, flushed to disk, is the confirmation."""
        queues = self._routes.get(event.get_type())
        if not queues:
            raise BrokerUnavailable(f"No queue receives events of type {event.get_type()}.")
        message = to_message(event)
        row = (message.body, message.content_type, json.dumps(dict(message.headers)), time.time())
        with self._write() as connection:
            connection.executemany(
                "INSERT INTO message (queue, body, content_type, headers, visible_at) VALUES (?, ?, ?, ?, ?)",
                [(queue, *row) for queue in queues],
            )

    def check(self) -> None:
        """Raise BrokerUnavailable unless the file can be read."""
        with self._write() as connection:
            connection.execute("SELECT 1 FROM message LIMIT 1").fetchall()

    def receive(self, queues: Collection[str], timeout: float) -> Delivery | None:
        """Return the message that has waited longest, polling the file until there is one."""
        deadline = time.monotonic() + timeout
        while True:
            delivery = self._lease(queues)
            if delivery is not None or time.monotonic() >= deadline:
                return delivery
            time.sleep(POLL_SECONDS)

    def unsubscribe(self) -> None:
        """Do nothing: only `receive` leases messages."""

    def accept(self, delivery: Delivery) -> None:
        """Delete the message, if it is still leased to this consumer."""
        with self._write() as connection:
            connection.execute("DELETE FROM message WHERE id = ? AND holder = ?", (delivery.tag, self._holder))

    def retry(self, delivery: Delivery, *, delay: float) -> None:
        """Make the message visible again after the delay, if it is still leased to this consumer."""
        with self._write() as connection:
            connection.execute(
                "UPDATE message SET visible_at = ?, holder = NULL WHERE id = ? AND holder = ?",
                (time.time() + delay, delivery.tag, self._holder),
            )

    def reject(self, delivery: Delivery, reason: Mapping[str, Any]) -> None:
        """Store the reason with the message, which hides it from consumers, if it is still leased to this one."""
        with self._write() as connection:
            connection.execute(
                "UPDATE message SET reason = ?, holder = NULL WHERE id = ? AND holder = ?",
                (json.dumps(dict(reason)), delivery.tag, self._holder),
            )

    def list(self) -> Iterator[DeadLetter]:
        """Yield the messages that have a reason."""
        with self._write() as connection:
            rows = connection.execute("SELECT * FROM message WHERE reason IS NOT NULL ORDER BY id").fetchall()
        for row in rows:
            yield DeadLetter(str(row["id"]), row["queue"], _message(row), json.loads(row["reason"]))

    def counts(self) -> Sequence[QueueCount]:
        """Count the messages in the file, without waiting for a writer."""
        queues = all_queues(self._routes)
        values = {"now": time.time(), "queues": json.dumps(queues)}
        with self._read() as connection:
            live, dead, leased = (
                dict(map(tuple, connection.execute(query, values))) for query in (COUNT_LIVE, COUNT_DEAD, COUNT_LEASED)
            )
        return [
            QueueCount(name, live.get(name, 0) - leased.get(name, 0), leased.get(name, 0), dead.get(name, 0), None)
            for name in queues
        ]

    def verify(self) -> None:
        """Raise BrokerUnavailable unless the file can be written."""
        self.check()

    def replay(self, letter_id: str) -> bool:
        """Clear the reason and the attempts, which makes the message visible again."""
        return self._change_dead(
            "UPDATE message SET reason = NULL, attempts = 0, visible_at = :now", letter_id, now=time.time()
        )

    def drop(self, letter_id: str) -> bool:
        """Delete the message."""
        return self._change_dead("DELETE FROM message", letter_id)

    def _change_dead(self, statement: str, letter_id: str, **values: Any) -> bool:
        with self._write() as connection:
            where = " WHERE id = :id AND reason IS NOT NULL"
            return connection.execute(statement + where, {"id": letter_id, **values}).rowcount == 1

    def _lease(self, queues: Collection[str]) -> Delivery | None:
        """Lease a message, after renewing the leases of unsettled ones if that is due.

        Both happen in one transaction: waiting for the file between them could outlast a lease, and this consumer
        would receive one of its unsettled messages a second time.
        """
        with self._write() as connection:
            moment, ticks = time.time(), time.monotonic()
            values = {"holder": self._holder, "now": moment, "lease": moment + self._lease_seconds}
            if due := ticks - self._renewed >= self._lease_seconds / 6:
                connection.execute(RENEW, values)
            rows = connection.execute(LEASE, {**values, "queues": json.dumps(list(queues))}).fetchall()
        if due:
            self._renewed = ticks
        if not rows:
            return None
        row = rows[0]
        return Delivery(row["queue"], _message(row), row["attempts"], row["id"])

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection:
                self._connection.close()
            self._connection = None

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._read() as connection, connection:
            # A lease begins when the lock is acquired, not when the wait for it began.
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                self._connection = self._connection or self._connect()
                yield self._connection
        except sqlite3.Error as error:
            self._connection = None
            raise BrokerUnavailable("The queue file cannot be used.", cause=str(error)) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=10, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        use_write_ahead_log(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(SCHEMA)
        return connection


def _message(row: sqlite3.Row) -> Message:
    return Message(body=row["body"], content_type=row["content_type"], headers=json.loads(row["headers"]))
