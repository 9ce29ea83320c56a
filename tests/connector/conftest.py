"""Gives the connector's tests a gateway, the queues of each broker, and connectors in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from devservers.rabbitmq import RabbitMq
from soundlift.common.broker import Broker, Publisher
from soundlift.common.process.shutdown import Shutdown
from soundlift.connector.calls import Caller
from soundlift.connector.courier import Courier
from soundlift.connector.discovery import Discovery
from soundlift.connector.health import Health
from soundlift.connector.loop import Loop
from soundlift.connector.metrics import Metrics
from soundlift.connector.reading import Reader
from soundlift.connector.verdict import Patience
from tests.connector.gateway import Gateway
from tests.factories.queues import SHORT_DELAYS, FileQueues, Queues, RabbitMqQueues

over_a_file = pytest.mark.parametrize("queues", ["file"], indirect=True)


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
        timeout: float = 10,
    ) -> None:
        self.handed_back: int | None = None
        self.metrics = Metrics()
        self._shutdown = Shutdown()
        subscriptions = Discovery(gateway.url, {"video", "mp3"})
        caller = Caller(timeout=timeout, connections=2 * concurrency)
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
def held() -> Iterator[Event]:
    """Return what lets the functions that wait for it go on; they do at the latest when the test ends."""
    released = Event()
    yield released
    released.set()


@pytest.fixture
def file_queues(tmp_path: Path) -> FileQueues:
    return FileQueues(tmp_path / "queue.db")


@pytest.fixture
def rabbitmq_queues(rabbitmq_node: RabbitMq) -> Iterator[RabbitMqQueues]:
    with RabbitMqQueues(rabbitmq_node) as queues:
        yield queues


@pytest.fixture(params=["file", "rabbitmq"])
def queues(request: pytest.FixtureRequest) -> Queues:
    """Return the queues of one broker after the other; `over_a_file` has a test take the first alone."""
    found: Queues = request.getfixturevalue(f"{request.param}_queues")
    return found


@pytest.fixture
def broker(queues: Queues) -> Broker:
    """Return the broker as the test's own process has it."""
    return queues.connect()


@pytest.fixture
def start_connector(gateway: Gateway, queues: Queues) -> Iterator[Callable[..., Connector]]:
    """Return a function that starts a connector with a broker connection of its own."""
    started: list[Connector] = []

    def start(*, own_broker: Broker | None = None, concurrency: int = 1, **options: object) -> Connector:
        broker = own_broker or queues.connect(concurrency=concurrency)
        started.append(Connector(gateway, broker, concurrency=concurrency, **options))  # type: ignore[arg-type]  # handed on as they are
        return started[-1]

    yield start
    for connector in started:
        connector.stop()
