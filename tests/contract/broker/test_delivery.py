"""What every broker does for publishers and consumers.

An adapter joins by a parameter of `factory` and a fixture in conftest.py.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.common.broker import Broker
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import VIDEO_UPLOADED, from_message, to_message
from tests.contract.broker.deliveries import QUEUES, REASON, event, id_of, receive
from tests.factories.brokers import ROUTES, BrokerFactory

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop


def test_an_event_arrives_in_the_queue_of_its_type(broker: Broker) -> None:
    events = [event(number, event_type) for number, event_type in enumerate(ROUTES)]
    for each in events:
        broker.publish(each)
    assert [id_of(receive(broker, ("mp3",))) for _ in range(2)] == ["1", "2"]
    delivery = receive(broker, ("video",))
    received = from_message(delivery.message)
    assert (delivery.queue, delivery.attempt) == ("video", 1)
    assert delivery.message == to_message(events[0])
    assert (received.get_type(), received.get_data()) == (VIDEO_UPLOADED, {"job_id": "0"})


def test_a_published_event_outlives_its_publisher(factory: BrokerFactory) -> None:
    factory.connect().publish(event())
    assert id_of(receive(factory.connect())) == "1"


def test_an_event_of_a_type_without_a_queue_is_refused(broker: Broker) -> None:
    with pytest.raises(BrokerUnavailable, match=r"type dev\.soundlift\.unknown"):
        broker.publish(event(event_type="dev.soundlift.unknown"))


def test_a_consumer_receives_only_from_the_queues_it_names(broker: Broker) -> None:
    broker.publish(event())
    assert broker.receive(("mp3",), 0) is None
    assert broker.receive((), 0) is None


def test_receive_returns_as_soon_as_a_message_arrives(factory: BrokerFactory) -> None:
    with ThreadPoolExecutor() as pool:
        delivery = pool.submit(receive, factory.connect(), QUEUES, 2 * DEADLINE_SECONDS)
        factory.connect().publish(event())
        assert id_of(delivery.result(timeout=DEADLINE_SECONDS)) == "1"


def test_an_accepted_message_is_never_delivered_again(factory: BrokerFactory) -> None:
    broker = factory.connect()
    broker.publish(event())
    broker.accept(receive(broker))
    assert factory.connect().receive(QUEUES, 2 * factory.lease_seconds) is None


def test_no_message_is_delivered_to_two_consumers(factory: BrokerFactory) -> None:
    publisher = factory.connect()
    for number in range(60):
        publisher.publish(event(number))

    taken: list[str] = []

    def take(broker: Broker) -> bool:
        if delivery := broker.receive(QUEUES, 0.1):
            taken.append(id_of(delivery))
            broker.accept(delivery)
        return len(set(taken)) == 60

    consumers = [factory.connect_undisturbed() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda consumer: wait_for(lambda: take(consumer), "all messages have been taken"), consumers))
    assert sorted(taken, key=int) == [str(number) for number in range(60)]


def test_an_unsettled_message_of_a_dead_consumer_is_delivered_again_and_counted(factory: BrokerFactory) -> None:
    dying = factory.connect()
    dying.publish(event())
    receive(dying)
    factory.kill(dying)
    again = receive(factory.connect())
    assert (id_of(again), again.attempt) == ("1", 2)


def test_a_living_consumer_keeps_its_claim_on_an_unsettled_message(factory: BrokerFactory) -> None:
    living, other = factory.connect_undisturbed(), factory.connect()
    living.publish(event())
    delivery = receive(living)
    deadline = time.monotonic() + 3 * factory.lease_seconds
    while time.monotonic() < deadline:
        assert living.receive((), 0.01) is None
        assert other.receive(QUEUES, 0.01) is None
    living.accept(delivery)


def test_a_retried_message_is_delivered_after_its_delay_and_not_before(broker: Broker) -> None:
    broker.publish(event())
    first = receive(broker)
    began = time.monotonic()
    broker.retry(first, delay=0.3)
    assert receive(broker).attempt == 2
    assert time.monotonic() - began > 0.29


def test_a_retried_message_cannot_be_settled_a_second_time(broker: Broker) -> None:
    broker.publish(event())
    delivery = receive(broker)
    broker.retry(delivery, delay=0.3)
    broker.accept(delivery)
    broker.reject(delivery, REASON)
    assert list(broker.list()) == []
    assert receive(broker).attempt == 2


def test_settling_a_message_that_another_consumer_received_changes_nothing(factory: BrokerFactory) -> None:
    slow, quick = factory.connect(), factory.connect()
    slow.publish(event())
    late = receive(slow)
    factory.kill(slow)
    taken = receive(quick)
    slow.reject(late, REASON)
    slow.retry(late, delay=0)
    slow.accept(late)
    assert list(quick.list()) == []
    quick.retry(taken, delay=0)
    assert receive(quick).attempt == 3
