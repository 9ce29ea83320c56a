"""Provides a gateway, the queues of each broker, and connectors in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from devservers.rabbitmq import RabbitMq
from soundlift.common.broker import Broker, Publisher
from soundlift.common.broker.routes import Routes
from soundlift.common.process.shutdown import Shutdown
from soundlift.connector.delivery_handler import DeliveryHandler
from soundlift.connector.discovery import Discovery
from soundlift.connector.event_reader import EventReader
from soundlift.connector.function_client import FunctionClient
from soundlift.connector.health import Health
from soundlift.connector.loop import DeliveryLoop
from soundlift.connector.metrics import Metrics
from soundlift.connector.retry_policy import RetryPolicy
from tests.connector.gateway import Gateway
from tests.factories.queues import SHORT_DELAYS, FileQueues, Queues, RabbitMqQueues

TOPICS = {"video": {"video"}, "mp3": {"mp3"}}
over_a_file = pytest.mark.parametrize("queues", ["file"], indirect=True)


class Connector:
    """A connector in threads, wired as its module wires it, with short delays."""

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
        topics: Routes = TOPICS,
    ) -> None:
        self.handed_back: int | None = None
        self.metrics = Metrics()
        self._shutdown = Shutdown()
        subscriptions = Discovery(gateway.url, topics)
        client = FunctionClient(timeout=timeout, connections=2 * concurrency)
        reader = EventReader("video", accepts_bare)
        policy = RetryPolicy(attempts, SHORT_DELAYS)
        handler = DeliveryHandler(broker, publisher or broker, reader, client, policy, self.metrics, self._shutdown)
        self._loop = DeliveryLoop(broker, subscriptions, handler, concurrency=concurrency, drain_seconds=drain_seconds)
        self.health = Health(self._loop, subscriptions, broker, self._shutdown, self.metrics, hung_seconds)
        self._follower = Thread(target=subscriptions.follow, args=(self._shutdown,), kwargs={"every": 0.05})
        self._receiver = Thread(target=self._run)
        self._follower.start()
        self._receiver.start()

    def begin_stop(self) -> None:
        self._shutdown.begin()

    def stop(self) -> int | None:
        """Stop, and return how many messages were returned."""
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
def released() -> Iterator[Event]:
    """Return the event that functions made by `waiting` wait for; it is set at the latest when the test ends."""
    event = Event()
    yield event
    event.set()


@pytest.fixture
def file_queues(tmp_path: Path) -> FileQueues:
    return FileQueues(tmp_path / "queue.db")


@pytest.fixture
def rabbitmq_queues(rabbitmq_node: RabbitMq) -> Iterator[RabbitMqQueues]:
    with RabbitMqQueues(rabbitmq_node) as queues:
        yield queues


@pytest.fixture(params=["file", pytest.param("rabbitmq", marks=pytest.mark.servers)])
def queues(request: pytest.FixtureRequest) -> Queues:
    """Return the queues of each broker in turn; with `over_a_file`, a test runs over the file only."""
    found: Queues = request.getfixturevalue(f"{request.param}_queues")
    return found


@pytest.fixture
def broker(queues: Queues) -> Broker:
    """Return the test's own connection to the broker."""
    return queues.connect()


@pytest.fixture
def start_connector(gateway: Gateway, queues: Queues) -> Iterator[Callable[..., Connector]]:
    """Return a function that starts a connector with its own connection to the broker."""
    started: list[Connector] = []

    def start(*, own_broker: Broker | None = None, concurrency: int = 1, **options: object) -> Connector:
        broker = own_broker or queues.connect(concurrency=concurrency)
        started.append(Connector(gateway, broker, concurrency=concurrency, **options))  # type: ignore[arg-type]  # handed on as they are
        return started[-1]

    yield start
    for connector in started:
        connector.stop()
