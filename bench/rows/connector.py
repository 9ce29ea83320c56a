"""Measures messages through the connector to a function that does nothing, against a pika consumer.

Without RabbitMQ the queue is a SQLite file, and there is no baseline.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

from cloudevents.core.v1.event import CloudEvent

from bench.baselines.pika_consumer import consume
from bench.harness import servers
from bench.harness.comparison import Goal, Result, Row, Run, Sample, compare
from bench.harness.processes import Memory, running
from bench.harness.receivers import process, receive_arrivals, serve
from devservers.server import NotInstalled
from soundlift.common.broker import Broker, open_broker
from soundlift.common.events import VIDEO_UPLOADED
from soundlift.common.process.temporary_folders import temporary_folder
from soundlift.common.settings import Settings

PACE_SECONDS = 0.01
WARM_UP = 50
SLOW = 300
WAITING = 3000
PUBLISHERS = 16
CONCURRENCY = 4


@dataclass(frozen=True)
class Setup:
    """A broker, the connector's environment, and the function that receives the events."""

    broker: Broker
    environment: dict[str, str]
    function: Connection


Measure = Callable[[Setup, Connection], float]


@contextmanager
def setup(url: str) -> Iterator[Setup]:
    """Yield a broker and a function that does nothing, for a connector between them."""
    with process(serve) as function:
        subscribers = f"video=http://127.0.0.1:{function.recv()}"
        environment = {
            "BROKER_URL": url, "CONNECTOR_CONCURRENCY": str(CONCURRENCY), "SUBSCRIBERS": subscribers
        }  # fmt: skip
        broker = open_broker(Settings.from_environment(environment))
        try:
            broker.check()
            yield Setup(broker, environment, function)
        finally:
            broker.close()


def delivered(row: Row, waiting: int, measure: Measure) -> Result:
    """Compare the connector with a pika consumer, if RabbitMQ is installed."""
    try:
        with servers.rabbitmq() as url, setup(url) as used:
            return compare(row, _by_connector(used, waiting, measure), _by_pika(used, waiting, measure))
    except NotInstalled:
        with temporary_folder("bench") as folder, setup(f"sqlite:///{folder}/q") as used:
            return Result(row, _by_connector(used, waiting, measure)())


def _by_connector(used: Setup, waiting: int, measure: Measure) -> Run:
    def run() -> Sample:
        publish_concurrently(used.broker, waiting)
        program = [sys.executable, "-m", "soundlift.connector"]
        with running(program, used.environment) as child, Memory(child.pid) as memory:
            figure = measure(used, used.function)
        return Sample(figure, memory.peak_mb)

    return run


def _by_pika(used: Setup, waiting: int, measure: Measure) -> Run:
    settings = Settings.from_environment(used.environment)

    def run() -> Sample:
        publish_concurrently(used.broker, waiting)
        with process(consume, settings.broker_url, settings.video_queue, CONCURRENCY) as consumer:
            consumer.recv()
            return Sample(measure(used, consumer))

    return run


def latency(used: Setup, receiver: Connection) -> float:
    """Publish slowly and return the median milliseconds to arrival, without a warm-up."""
    for count in (WARM_UP, SLOW):
        for _ in range(count):
            publish(used.broker)
            time.sleep(PACE_SECONDS)
        arrivals = receive_arrivals(receiver, count)
    return 1000 * statistics.median(at - since for since, at in arrivals)


def rate(used: Setup, receiver: Connection) -> float:
    """Return how many of the waiting messages arrive per second."""
    moments = [at for _, at in receive_arrivals(receiver, WAITING)]
    return (WAITING - 1) / (max(moments) - min(moments))


def publish_concurrently(broker: Broker, count: int) -> None:
    """Publish events from several threads, each waiting for its confirmations."""
    with ThreadPoolExecutor(PUBLISHERS) as pool:
        list(pool.map(lambda _: publish(broker), range(count)))


def publish(broker: Broker) -> None:
    """Publish an event that contains the time of its publication."""
    moment = time.time()
    attributes = {"specversion": "1.0", "id": str(moment), "source": "/bench", "type": VIDEO_UPLOADED}
    broker.publish(CloudEvent({**attributes, "datacontenttype": "application/json"}, {"published_at": moment}))


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("connector-latency", "ms", Goal(5, of="added"), rounds=3, warm_up=0): partial(
        delivered, waiting=0, measure=latency
    ),
    Row("connector-rate", "messages/s", Goal(1000, at_least=True, of="ours"), rounds=3): partial(
        delivered, waiting=WAITING, measure=rate
    ),
}
