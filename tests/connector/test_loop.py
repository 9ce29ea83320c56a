"""The loop receives only messages that have a subscriber and a free slot, and keeps its claims on them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from pathlib import Path
from statistics import median

import pytest
from cloudevents.core.v1.event import CloudEvent
from structlog.testing import capture_logs
from werkzeug import Response

from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.common.broker import Broker, Delivery
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import MP3_READY, VIDEO_UPLOADED
from soundlift.connector import loop
from soundlift.connector.loop import RECEIVE_SECONDS
from tests.connector.conftest import Connector, over_a_file
from tests.connector.events import event
from tests.connector.gateway import Gateway, empty, refusing, waiting
from tests.factories.brokers import ROUTES
from tests.factories.queues import FileQueues, Queues

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

Start = Callable[..., Connector]


def test_a_message_reaches_its_function_without_delay(gateway: Gateway, broker: Broker, start_connector: Start) -> None:
    """Repeat until ten messages in a row were quick, since a busy machine slows down some of them."""
    gateway.deploy("convert", "video", empty)
    start_connector()
    seconds: deque[float] = deque(maxlen=10)

    def most_are_quick() -> bool:
        before, published = len(gateway.calls), time.monotonic()
        broker.publish(event())
        call = wait_for(lambda: next(iter(gateway.calls[before:]), None), "convert is called")
        seconds.append(call.at - published)
        return len(seconds) == seconds.maxlen and median(seconds) < 0.2

    wait_for(most_are_quick, "of ten messages in a row, most have taken less than a fifth of a second")


@over_a_file
def test_a_connector_that_starts_before_its_broker_waits_for_it(
    gateway: Gateway, start_connector: Start, tmp_path: Path
) -> None:
    gateway.deploy("convert", "video", empty)
    away = tmp_path / "away" / "queue.db"
    with capture_logs() as logs:
        start_connector(own_broker=SqliteBroker(away, ROUTES))
        wait_for(lambda: any(line["event"] == "broker_unavailable" for line in logs), "the broker is missed")
    away.parent.mkdir()
    SqliteBroker(away, ROUTES).publish(event())
    wait_for(lambda: gateway.calls, "the message is delivered")


def test_messages_of_a_queue_without_a_subscriber_wait_until_there_is_one(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues
) -> None:
    gateway.deploy("notify", "mp3", empty)
    start_connector()
    broker.publish(event("early"))
    broker.publish(event("marker", MP3_READY))
    wait_for(lambda: gateway.calls_of("notify"), "the other queue is served")
    assert queues.count() >= 1
    gateway.deploy("convert", "video", empty)
    [call] = wait_for(lambda: gateway.calls_of("convert"), "the new subscriber is called")
    assert call.event.get_subject() == "early"


def test_a_queue_has_no_more_deliveries_in_flight_than_slots_and_delays_no_other(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues, released: threading.Event
) -> None:
    gateway.deploy("convert", "video", waiting(released))
    gateway.deploy("notify", "mp3", empty)
    start_connector(concurrency=2)
    for number in range(5):
        broker.publish(event(str(number)))
    wait_for(lambda: len(gateway.calls_of("convert")) == 2, "both places are taken")
    for number in range(5):
        broker.publish(event(str(number), MP3_READY))
    wait_for(lambda: len(gateway.calls_of("notify")) == 5, "the other queue is served meanwhile")
    assert len(gateway.calls_of("convert")) == 2
    released.set()
    wait_for(lambda: queues.count() == 0, "all messages are gone")
    assert (gateway.most_at_once["convert"], len(gateway.calls_of("convert"))) == (2, 5)


def test_an_event_that_is_refused_repeatedly_delays_no_other(
    gateway: Gateway, broker: Broker, start_connector: Start, queues: Queues
) -> None:
    def notify(ready: CloudEvent) -> Response:
        refuse = refusing(503, **{"Retry-After": "1"})
        return refuse(ready) if ready.get_subject() == "refused" else empty(ready)

    gateway.deploy("notify", "mp3", notify)
    start_connector(concurrency=1, attempts=1000)  # retried in place, it would occupy the only slot for ten minutes
    broker.publish(event("refused", MP3_READY))
    wait_for(lambda: gateway.calls, "the first event is refused")
    others = {str(number) for number in range(10)}
    for subject in others:
        broker.publish(event(subject, MP3_READY))
    wait_for(lambda: others <= {call.event.get_subject() for call in gateway.calls}, "all others get through")
    wait_for(lambda: queues.count() == 1, "only the refused event is left")
    wait_for(lambda: sum(call.event.get_subject() == "refused" for call in gateway.calls) > 2, "it comes again")


@over_a_file
def test_a_slow_delivery_keeps_its_claim_while_no_slot_is_free(
    gateway: Gateway,
    start_connector: Start,
    file_queues: FileQueues,
    released: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "OTHER_QUEUES_SECONDS", 60)  # there is no other queue to poll meanwhile
    gateway.deploy("convert", "video", waiting(released))
    broker = file_queues.connect(lease_seconds=2)
    start_connector(own_broker=broker)
    broker.publish(event())
    wait_for(lambda: gateway.calls, "convert is called")
    for _ in range(2):
        before = file_queues.claimed_until()
        wait_for(lambda before=before: file_queues.claimed_until() > before, "the claim is renewed")
    released.set()
    wait_for(lambda: file_queues.count() == 0, "the message is gone")
    assert len(gateway.calls) == 1


class Noting(SqliteBroker):
    """A broker that records which queues it is asked for, and with which time-out."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, ROUTES)
        self.asked: list[tuple[list[str], float]] = []

    def receive(self, queues: Collection[str], timeout: float) -> Delivery | None:
        self.asked.append((sorted(queues), timeout))
        return super().receive(queues, timeout)

    def asked_now(self) -> tuple[list[str], float]:
        """Return what the loop asks for once it has noticed everything that happened so far."""
        turns = len(self.asked)
        wait_for(lambda: len(self.asked) > turns + 2, "the loop has iterated")
        return self.asked[-1]


@over_a_file
def test_the_loop_waits_for_the_broker_unless_a_queue_has_no_free_slot(
    gateway: Gateway, broker: Broker, start_connector: Start, tmp_path: Path, released: threading.Event
) -> None:
    gateway.deploy("convert", "video", waiting(released))
    gateway.deploy("notify", "mp3", waiting(released))
    noting = Noting(tmp_path / "queue.db")
    start_connector(own_broker=noting, concurrency=2)
    wait_for(lambda: noting.asked_now() == (["mp3", "video"], RECEIVE_SECONDS), "the functions are known")
    for number, expected in enumerate([(["mp3", "video"], RECEIVE_SECONDS), (["mp3"], 0), (["mp3"], 0), ([], 0)]):
        broker.publish(event(str(number), VIDEO_UPLOADED if number < 2 else MP3_READY))
        wait_for(lambda number=number: len(gateway.calls) == number + 1, "a function is called")
        assert noting.asked_now() == expected
    released.set()


def test_a_stopping_connector_hands_back_messages_that_take_too_long(
    gateway: Gateway, broker: Broker, start_connector: Start, released: threading.Event
) -> None:
    gateway.deploy("convert", "video", waiting(released))
    connector = start_connector(drain_seconds=0.2)
    broker.publish(event())
    wait_for(lambda: gateway.calls, "convert is called")
    assert connector.stop() == 1
    delivery = broker.receive(["video"], DEADLINE_SECONDS)
    assert delivery is not None
    assert delivery.attempt == 2
    released.set()


class KeepingFirst(SqliteBroker):
    """A broker that is unavailable when the first message is returned."""

    was_unavailable = False

    def retry(self, delivery: Delivery, *, delay: float) -> None:
        if not self.was_unavailable:
            self.was_unavailable = True
            raise BrokerUnavailable("It is away.")
        super().retry(delivery, delay=delay)


@over_a_file
def test_a_message_that_cannot_be_handed_back_does_not_prevent_the_next(
    gateway: Gateway, broker: Broker, start_connector: Start, tmp_path: Path, released: threading.Event
) -> None:
    gateway.deploy("convert", "video", waiting(released))
    own_broker = KeepingFirst(tmp_path / "queue.db", ROUTES)
    connector = start_connector(own_broker=own_broker, concurrency=2, drain_seconds=0.1)
    for number in range(2):
        broker.publish(event(str(number)))
    wait_for(lambda: len(gateway.calls) == 2, "both are in work")
    assert connector.stop() == 2
    assert own_broker.was_unavailable
    assert broker.receive(["video"], 0) is not None
    released.set()
