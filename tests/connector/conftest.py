"""Gives the connector's tests a gateway, a queue in a file, and connectors in this process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from soundlift.common.broker import Broker, Publisher
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.events import CONVERSION_FAILED, MP3_READY, VIDEO_UPLOADED
from soundlift.common.shutdown import Shutdown
from soundlift.connector.calls import Caller
from soundlift.connector.courier import Courier
from soundlift.connector.discovery import Subscriptions
from soundlift.connector.health import Health
from soundlift.connector.loop import Loop
from soundlift.connector.metrics import Metrics
from soundlift.connector.reading import Reader
from soundlift.connector.verdict import Patience
from tests.connector.gateway import Gateway

ROUTES = {VIDEO_UPLOADED: "video", MP3_READY: "mp3", CONVERSION_FAILED: "mp3"}
SHORT_DELAYS = (0.1, 0.3, 0.6)


class Connector:
    """Is a connector as its module wires it, but impatient, in a thread."""

    def __init__(
        self,
        gateway: Gateway,
        broker: Broker,
        *,
        publisher: Publisher | None = None,
        concurrency: int = 1,
        attempts: int = 3,
        drain_seconds: float = 10,
        accepts_bare: bool = False,
        hung_seconds: float = 10,
    ) -> None:
        self.handed_back: int | None = None
        self.metrics = Metrics()
        self._shutdown = Shutdown()
        subscriptions = Subscriptions(gateway.url, {"video", "mp3"})
        caller = Caller(timeout=10, connections=2 * concurrency)
        reader = Reader("video", accepts_bare)
        patience = Patience(attempts, SHORT_DELAYS)
        courier = Courier(broker, publisher or broker, reader, caller, patience, self.metrics)
        self._loop = Loop(broker, subscriptions, courier, concurrency=concurrency, drain_seconds=drain_seconds)
        self.health = Health(self._loop, subscriptions, broker, self._shutdown, self.metrics, hung_seconds)
        self._follower = Thread(target=subscriptions.follow, args=(self._shutdown,), kwargs={"every": 0.05})
        self._receiver = Thread(target=self._run)
        self._follower.start()
        self._receiver.start()

    def begin_stop(self) -> None:
        self._shutdown.begin()

    def stop(self) -> int | None:
        """Stop, and return how many messages were handed back."""
        self.begin_stop()
        self._receiver.join()
        self._follower.join()
        return self.handed_back

    def _run(self) -> None:
        self.handed_back = self._loop.run(self._shutdown)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as gateway:
        yield gateway


@pytest.fixture
def queue_file(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@pytest.fixture
def broker(queue_file: Path) -> Broker:
    """Return the broker as the test's own process has it."""
    return SqliteBroker(queue_file, ROUTES)


@pytest.fixture
def start_connector(gateway: Gateway, queue_file: Path) -> Iterator[Callable[..., Connector]]:
    """Return a function that starts a connector with a broker connection of its own."""
    started: list[Connector] = []

    def start(*, own_broker: Broker | None = None, **options: object) -> Connector:
        broker = own_broker or SqliteBroker(queue_file, ROUTES)
        started.append(Connector(gateway, broker, **options))  # type: ignore[arg-type]  # handed on as they are
        return started[-1]

    yield start
    for connector in started:
        connector.stop()


@pytest.fixture
def ask_file(queue_file: Path, broker: Broker) -> Callable[..., Any]:
    """Return a function that runs a statement on the queue's file, for what no port tells, and returns one value."""
    broker.check()

    def ask(statement: str, *values: object) -> Any:
        with closing(sqlite3.connect(queue_file)) as connection, connection:
            return (connection.execute(statement, values).fetchone() or [None])[0]

    return ask


@pytest.fixture
def messages_left(ask_file: Callable[..., Any]) -> Callable[[], int]:
    """Return a function that counts all messages: waiting, in work, or dead."""
    return lambda: int(ask_file("SELECT count(*) FROM message"))


@pytest.fixture
def claimed_until(ask_file: Callable[..., Any]) -> Callable[[], float]:
    """Return a function that tells when the claim on the only message ends."""
    return lambda: float(ask_file("SELECT visible_at FROM message"))


@pytest.fixture
def let_claims_run_out(ask_file: Callable[..., Any]) -> Callable[[], None]:
    """Return a function that ends all claims, so that no test waits for a clock."""
    return lambda: ask_file("UPDATE message SET visible_at = 0 WHERE holder IS NOT NULL")


@pytest.fixture
def put_raw(ask_file: Callable[..., Any]) -> Callable[..., None]:
    """Return a function that puts bytes in a queue which no publisher of ours would send."""
    statement = "INSERT INTO message (queue, body, content_type, headers, visible_at) VALUES (?, ?, ?, ?, ?)"

    def put(queue: str, body: bytes, content_type: str = "application/json", headers: Any = None) -> None:
        ask_file(statement, queue, body, content_type, json.dumps(headers or {}), 0)

    return put
