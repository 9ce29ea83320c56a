"""What every broker does with dead letters."""

from __future__ import annotations

from soundlift.common.broker import Broker
from soundlift.common.events import from_message
from tests.contract.broker.deliveries import QUEUES, REASON, event, id_of, receive
from tests.factories.brokers import BrokerFactory


def test_a_rejected_message_is_a_dead_letter_with_its_reason(factory: BrokerFactory) -> None:
    broker = factory.connect()
    broker.publish(event())
    broker.reject(receive(broker), REASON)
    assert factory.connect().receive(QUEUES, 2 * factory.lease_seconds) is None
    (letter,) = factory.connect().list()
    assert (letter.queue, dict(letter.reason)) == ("video", REASON)
    assert from_message(letter.message).get_id() == "1"


def test_a_rejected_message_cannot_be_settled_a_second_time(broker: Broker) -> None:
    broker.publish(event())
    delivery = receive(broker)
    broker.reject(delivery, REASON)
    broker.accept(delivery)
    broker.retry(delivery, delay=0)
    broker.reject(delivery, {**REASON, "detail": "another"})
    assert [dict(letter.reason) for letter in broker.list()] == [REASON]
    assert broker.receive(QUEUES, 0) is None


def test_a_replayed_dead_letter_is_a_new_message(broker: Broker) -> None:
    broker.publish(event())
    broker.reject(receive(broker), REASON)
    (letter,) = broker.list()
    assert broker.replay(letter.id)
    assert not broker.replay(letter.id)
    assert list(broker.list()) == []
    assert receive(broker).attempt == 1


def test_a_dropped_dead_letter_is_gone(broker: Broker) -> None:
    broker.publish(event())
    broker.reject(receive(broker), REASON)
    (letter,) = broker.list()
    assert broker.drop(letter.id)
    assert not broker.drop(letter.id)
    assert (list(broker.list()), broker.receive(QUEUES, 0)) == ([], None)


def test_a_waiting_message_is_not_a_dead_letter(broker: Broker) -> None:
    broker.publish(event())
    assert list(broker.list()) == []
    assert not broker.drop("1")
    assert not broker.replay("1")
    assert id_of(receive(broker)) == "1"
