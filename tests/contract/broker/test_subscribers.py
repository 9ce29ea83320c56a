"""Every subscriber of an event has its own queue, attempts, delays and dead letters."""

from __future__ import annotations

import pytest

from soundlift.common.broker import Broker
from soundlift.common.events import CONVERSION_FAILED, MP3_READY
from tests.contract.broker.deliveries import REASON, event, id_of, receive
from tests.factories.brokers import FAN_OUT_ROUTES, BrokerFactory

SUBSCRIBERS = ("mp3", "audit")


@pytest.fixture
def fan_out(factory: BrokerFactory) -> Broker:
    broker = factory.connect(FAN_OUT_ROUTES)
    broker.publish(event(1, MP3_READY))
    return broker


def test_an_event_is_stored_in_the_queue_of_each_subscriber(fan_out: Broker) -> None:
    fan_out.publish(event(2, CONVERSION_FAILED))
    for queue in SUBSCRIBERS:
        received = [receive(fan_out, [queue]) for _ in range(2)]
        assert [(one.queue, id_of(one), one.attempt) for one in received] == [(queue, "1", 1), (queue, "2", 1)]
    assert fan_out.receive([*SUBSCRIBERS, "video"], 0) is None


@pytest.mark.parametrize(("queue", "other"), [SUBSCRIBERS, SUBSCRIBERS[::-1]])
def test_a_retry_is_delivered_to_the_subscriber_that_failed_and_to_no_other(
    fan_out: Broker, queue: str, other: str
) -> None:
    fan_out.accept(receive(fan_out, [other]))
    for attempt in (1, 2):
        failed = receive(fan_out, [queue])
        assert failed.attempt == attempt
        fan_out.retry(failed, delay=0.3)
    again = receive(fan_out, SUBSCRIBERS)
    assert (again.queue, again.attempt) == (queue, 3)
    assert fan_out.receive([other], 0) is None


@pytest.mark.parametrize(("queue", "other"), [SUBSCRIBERS, SUBSCRIBERS[::-1]])
def test_a_dead_letter_is_replayed_to_the_queue_it_came_from_and_to_no_other(
    factory: BrokerFactory, fan_out: Broker, queue: str, other: str
) -> None:
    fan_out.reject(receive(fan_out, [queue]), REASON)
    fan_out.accept(receive(fan_out, [other]))
    operator = factory.connect(FAN_OUT_ROUTES)
    (letter,) = operator.list()
    assert letter.queue == queue
    assert operator.replay(letter.id)
    again = receive(fan_out, SUBSCRIBERS)
    assert (again.queue, again.attempt, id_of(again)) == (queue, 1, "1")
    assert fan_out.receive([other], 0) is None


def test_both_subscribers_may_have_the_event_as_a_dead_letter(fan_out: Broker) -> None:
    for queue in SUBSCRIBERS:
        fan_out.reject(receive(fan_out, [queue]), {**REASON, "function": queue})
    letters = {letter.queue: letter for letter in fan_out.list()}
    assert {queue: letter.reason["function"] for queue, letter in letters.items()} == {"mp3": "mp3", "audit": "audit"}
    assert fan_out.drop(letters["audit"].id)
    assert [letter.queue for letter in fan_out.list()] == ["mp3"]
