"""The connector's queues in tests, in a file or in RabbitMQ."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

import pika

from devservers.rabbitmq import RabbitMq, connect_broker
from devservers.waiting import wait_for
from soundlift.common.broker import DELAYS, Broker, DeadLetter
from soundlift.common.broker.rabbitmq.topology import Topology
from soundlift.common.broker.routes import Routes
from soundlift.common.broker.sqlite import SqliteBroker
from tests.factories.brokers import ALL_ROUTES, ROUTES

SHORT_DELAYS = (0.1, 0.3, 0.6)
JSON = "application/json"
Headers = Mapping[str, Any]
NO_HEADERS: Headers = {}
INSERT_MESSAGE = "INSERT INTO message (queue, body, content_type, headers, visible_at) VALUES (?, ?, ?, ?, ?)"


class Queues(Protocol):
    """Queues that a test can inspect and change directly."""

    url: str

    def connect(self, *, concurrency: int = 1, routes: Routes = ROUTES) -> Broker:
        """Return a new connection to the broker, like that of a separate process."""
        ...

    def count(self) -> int:
        """Count all messages: waiting, unsettled or dead."""
        ...

    def put(self, queue: str, body: bytes, content_type: str = JSON, headers: Headers = NO_HEADERS) -> None:
        """Put a message in a queue, as another program might."""
        ...

    def expire_claims(self) -> None:
        """End the claims of dead processes, so that tests need not wait for their expiry."""
        ...


class FileQueues:
    """Queues in a SQLite file."""

    def __init__(self, file: Path) -> None:
        self.url = f"sqlite:///{file}"
        self._file = file

    def connect(self, *, concurrency: int = 1, routes: Routes = ROUTES, lease_seconds: float = 30) -> Broker:
        return SqliteBroker(self._file, routes, lease_seconds=lease_seconds)

    def count(self) -> int:
        return int(self._execute("SELECT count(*) FROM message"))

    def put(self, queue: str, body: bytes, content_type: str = JSON, headers: Headers = NO_HEADERS) -> None:
        self._execute(INSERT_MESSAGE, queue, body, content_type, json.dumps(headers), 0)

    def expire_claims(self) -> None:
        self._execute("UPDATE message SET visible_at = 0 WHERE holder IS NOT NULL")

    def claimed_until(self) -> float:
        """Return when the claim on the only message ends."""
        return float(self._execute("SELECT visible_at FROM message"))

    def _execute(self, statement: str, *values: object) -> Any:
        self.connect().check()
        with closing(sqlite3.connect(self._file)) as connection, connection:
            return (connection.execute(statement, values).fetchone() or [None])[0]


class RabbitMqQueues(ExitStack):
    """Queues on a RabbitMQ node, deleted after the test."""

    def __init__(self, node: RabbitMq) -> None:
        super().__init__()
        self.url = node.url
        self._node = node
        self.callback(node.delete, Topology(ALL_ROUTES, sorted({*SHORT_DELAYS, *DELAYS}), "quorum"))

    def connect(self, *, concurrency: int = 1, routes: Routes = ROUTES, url: str = "") -> Broker:
        topology = Topology(routes, SHORT_DELAYS, "quorum")
        return self.enter_context(closing(connect_broker(url or self.url, topology, prefetch=concurrency)))

    def count(self) -> int:
        return self._node.count(self.url)

    def put(self, queue: str, body: bytes, content_type: str = JSON, headers: Headers = NO_HEADERS) -> None:
        self.connect().check()
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            properties = pika.BasicProperties(content_type=content_type, headers=dict(headers))
            connection.channel().basic_publish("", queue, body, properties)

    def expire_claims(self) -> None:
        """Do nothing, since RabbitMQ notices a dead connection immediately."""


def dead_letter(broker: Broker) -> DeadLetter:
    return wait_for(lambda: next(broker.list(), None), "there is a dead letter")
