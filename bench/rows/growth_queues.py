"""Compares a queue in which 100,000 events wait with one of 100: deliveries from it, and publishing into it.

Both have the same to do: 100 events are delivered from either queue, or 100 more are published into it.
"""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial

from bench.harness import servers
from bench.harness.comparison import Goal, Result, Row, Sample, compare
from bench.harness.processes import running
from bench.harness.receivers import process, receive_arrivals, serve
from bench.inputs.populations import FEW, MANY
from bench.inputs.waiting_events import event, set_waiting
from soundlift.common.broker import Broker, open_broker
from soundlift.common.process.temporary_folders import temporary_folder
from soundlift.common.settings import Settings

EVENTS = 100  # delivered or published in each measurement
CONCURRENCY = 4

_open = ExitStack()
atexit.register(_open.close)


@dataclass(frozen=True)
class Queue:
    """A queue in which a number of events waits before each measurement."""

    url: str
    waiting: int
    broker: Broker


Measure = Callable[[Queue], float]  # milliseconds


def growth(row: Row, kind: str, measure: Measure) -> Result:
    """Compare a long queue with a short one."""

    def run(queue: Queue) -> Sample:
        set_waiting(queue.url, queue.waiting)
        return Sample(measure(queue))

    long, short = _queues(kind)
    return compare(row, partial(run, long), partial(run, short))


@cache
def _queues(kind: str) -> tuple[Queue, Queue]:
    """Return a long and a short queue, each in a file or a virtual host of its own."""
    long, short = (_queue(kind, population.events) for population in (MANY, FEW))
    return long, short


def _queue(kind: str, waiting: int) -> Queue:
    url = _open.enter_context(_file() if kind == "sqlite" else servers.rabbitmq())
    settings = Settings.from_environment({"BROKER_URL": url, "CONNECTOR_CONCURRENCY": str(CONCURRENCY)})
    broker = open_broker(settings)
    _open.callback(broker.close)
    broker.check()
    return Queue(url, waiting, broker)


@contextmanager
def _file() -> Iterator[str]:
    with temporary_folder("bench") as folder:
        yield f"sqlite:///{folder}/queue.db"


def deliver(queue: Queue) -> float:
    """Return the milliseconds from the arrival of the first event at its function until EVENTS more have arrived."""
    with process(serve) as function:
        environment = {
            "BROKER_URL": queue.url,
            "CONNECTOR_CONCURRENCY": str(CONCURRENCY),
            "SUBSCRIBERS": f"video=http://127.0.0.1:{function.recv()}",
            "LOG_LEVEL": "error",
        }
        with running([sys.executable, "-m", "soundlift.connector"], environment):
            moments = sorted(at for _, at in receive_arrivals(function, EVENTS))[:EVENTS]
    return 1000 * (moments[-1] - moments[0])


def publish(queue: Queue) -> float:
    """Return the milliseconds that it takes to publish EVENTS events, each confirmed before the next."""
    began = time.perf_counter()
    for number in range(EVENTS):
        queue.broker.publish(event(number))
    return 1000 * (time.perf_counter() - began)


MEASURES: dict[str, Measure] = {"deliver": deliver, "publish": publish}
ROWS: dict[Row, Callable[[Row], Result]] = {
    Row(f"grown-{kind}-{name}", "ms", Goal(1.3), rounds=9): partial(growth, kind=kind, measure=measure)
    for kind in ("sqlite", "rabbitmq")
    for name, measure in MEASURES.items()
}
