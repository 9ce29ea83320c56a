"""Every broker tells an operator how many messages its queues have, and whether it accepts more."""

from __future__ import annotations

import time
from collections.abc import Callable

from devservers.waiting import DEADLINE_SECONDS
from soundlift.common.broker import Broker, QueueCount
from tests.contract.broker.deliveries import REASON, event, receive
from tests.factories.brokers import BrokerFactory


def _count(broker: Broker, queue: str = "video") -> QueueCount:
    return next(one for one in broker.counts() if one.queue == queue)


def _becomes(is_so: Callable[[], bool]) -> bool:
    """Return whether a condition becomes true; RabbitMQ counts messages with a delay."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_so()


def test_waiting_messages_and_dead_letters_are_counted(broker: Broker) -> None:
    broker.verify()
    assert (_count(broker).waiting, _count(broker).dead) == (0, 0)
    broker.publish(event(1))
    broker.publish(event(2))
    assert _becomes(lambda: _count(broker).waiting == 2)
    broker.reject(receive(broker), REASON)
    assert _becomes(lambda: _count(broker).dead == 1)
    assert _count(broker, "mp3").dead == 0


def test_a_message_that_a_consumer_has_is_not_waiting(factory: BrokerFactory) -> None:
    broker, operator = factory.connect_undisturbed(), factory.connect()
    broker.publish(event())
    delivery = receive(broker)
    assert _becomes(lambda: _count(operator).waiting == 0)
    assert _count(operator).in_flight in (1, None)
    assert _count(operator).consumers in (1, None)
    broker.accept(delivery)
    assert _becomes(lambda: _count(operator).in_flight in (0, None))
