"""Messages are settled exactly once, even over broken connections and deleted queues."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from devservers.forwarder import Forwarder
from devservers.rabbitmq import url_through
from devservers.waiting import wait_for
from soundlift.common.broker import Delivery
from soundlift.common.broker.rabbitmq import RabbitMqBroker
from soundlift.common.broker.rabbitmq.topology import dead_name, delay_name
from soundlift.common.errors import BrokerUnavailable
from tests.contract.broker.deliveries import REASON, VIDEO, event, id_of, receive
from tests.contract.broker.rabbitmq.conftest import Connect

Settle = Callable[[RabbitMqBroker, Delivery], None]


def retry(broker: RabbitMqBroker, delivery: Delivery) -> None:
    broker.retry(delivery, delay=0.3)


def reject(broker: RabbitMqBroker, delivery: Delivery) -> None:
    broker.reject(delivery, REASON)


def take_again(broker: RabbitMqBroker) -> bool:
    delivery = broker.receive(["video"], 0.1)
    if delivery is not None:
        broker.accept(delivery)
    return delivery is not None


def has_dead_letter(broker: RabbitMqBroker) -> bool:
    return any(broker.list())


@pytest.mark.parametrize(("settle_with", "queue"), [(retry, delay_name(0.3)), (reject, dead_name("video"))])
def test_a_message_that_could_not_be_forwarded_is_not_acknowledged(
    connect: Connect,
    channel: BlockingChannel,
    settle_with: Settle,
    queue: str,
) -> None:
    dying, other = connect(), connect()
    dying.publish(event())
    delivery = receive(dying, VIDEO)
    channel.queue_delete(queue)
    with pytest.raises(BrokerUnavailable, match="no longer has a queue"):
        settle_with(dying, delivery)
    dying.close()
    assert receive(other, VIDEO).attempt == 2


@pytest.mark.parametrize(
    ("settle_with", "queue", "was_forwarded"),
    [(retry, delay_name(0.3), take_again), (reject, dead_name("video"), has_dead_letter)],
)
def test_a_message_that_could_not_be_forwarded_is_settled_once_it_can_be(
    connect: Connect,
    channel: BlockingChannel,
    settle_with: Settle,
    queue: str,
    was_forwarded: Callable[[RabbitMqBroker], bool],
) -> None:
    broker, other = connect(), connect()
    broker.publish(event())
    delivery = receive(broker, VIDEO)
    channel.queue_delete(queue)
    with pytest.raises(BrokerUnavailable, match="no longer has a queue"):
        settle_with(broker, delivery)

    def settle() -> bool:
        try:
            settle_with(broker, delivery)
        except BrokerUnavailable:
            return False
        return True

    wait_for(settle, "the queue is declared again")
    wait_for(lambda: was_forwarded(broker), "the message was forwarded")
    broker.close()
    assert other.receive(["video"], 0.5) is None


def test_a_long_delay_does_not_hold_up_a_shorter_one_behind_it(connect: Connect) -> None:
    broker = connect()
    for number in (1, 2):
        broker.publish(event(number))
    for delay in (2, 0.3):
        broker.retry(receive(broker, VIDEO), delay=delay)
    assert [id_of(receive(broker, VIDEO)) for _ in range(2)] == ["2", "1"]


def test_unsettled_messages_of_a_broken_connection_are_delivered_again_and_settled_once(
    rabbitmq_forwarder: Forwarder, connect: Connect
) -> None:
    broken, other = connect(url_through(rabbitmq_forwarder)), connect()
    for number in range(3):
        other.publish(event(number))
    accepted, retried, rejected = (receive(broken, VIDEO) for _ in range(3))
    rabbitmq_forwarder.drop_connections()
    again = [receive(other, VIDEO) for _ in range(3)]
    assert [one.attempt for one in again] == [2, 2, 2]
    broken.accept(accepted)
    broken.retry(retried, delay=0.3)
    broken.reject(rejected, REASON)
    for one in again:
        other.accept(one)
    assert other.receive(["video"], 1) is None
    assert list(other.list()) == []


def test_settling_a_message_a_second_time_does_nothing(connect: Connect) -> None:
    broker = connect()
    broker.publish(event())
    delivery = receive(broker, VIDEO)
    broker.accept(delivery)
    broker.accept(delivery)
    broker.retry(delivery, delay=0)
    assert broker.receive(["video"], 0.5) is None
    broker.publish(event(2))
    assert receive(broker, VIDEO).attempt == 1


def test_a_retry_without_delay_passes_through_no_delay_queue(connect: Connect, channel: BlockingChannel) -> None:
    broker = connect()
    broker.publish(event())
    delivery = receive(broker, VIDEO)
    channel.queue_delete(delay_name(0.3))
    broker.retry(delivery, delay=0)
    assert receive(broker, VIDEO).attempt == 2
