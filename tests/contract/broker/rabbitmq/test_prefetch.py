"""A consumer prefetches some messages of each queue, and returns those that it cannot process."""

from __future__ import annotations

from pika.adapters.blocking_connection import BlockingChannel

from devservers.forwarder import Forwarder
from devservers.rabbitmq import url_through
from devservers.waiting import wait_for
from soundlift.common.broker import Delivery
from soundlift.common.errors import BrokerUnavailable
from tests.contract.broker.deliveries import VIDEO, event, id_of, receive
from tests.contract.broker.rabbitmq.conftest import Connect


def test_prefetched_messages_of_a_broken_connection_go_to_the_next_consumer_alone(
    rabbitmq_forwarder: Forwarder, connect: Connect, channel: BlockingChannel
) -> None:
    broken, other = connect(url_through(rabbitmq_forwarder)), connect()
    for number in range(2):
        other.publish(event(number))
    receive(broken, VIDEO)
    wait_for(lambda: channel.queue_declare("video", passive=True).method.message_count == 0, "both are on their way")
    rabbitmq_forwarder.cut()
    again = [receive(other, VIDEO) for _ in range(2)]
    rabbitmq_forwarder.restore()

    def receive_again() -> list[Delivery | None]:
        try:
            return [broken.receive(VIDEO, 0)]
        except BrokerUnavailable:
            return []

    assert wait_for(receive_again, "the first consumer is connected again") == [None]
    assert {id_of(one) for one in again} == {"0", "1"}


def test_a_consumer_holds_no_more_messages_than_its_prefetch(connect: Connect) -> None:
    full, free = connect(prefetch=2), connect()
    for number in range(3):
        full.publish(event(number))
    receive(full, VIDEO)
    assert id_of(receive(free, VIDEO)) == "2"


def test_prefetched_messages_of_an_idle_queue_go_to_another_consumer(connect: Connect) -> None:
    full, free = connect(prefetch=2), connect()
    for number in range(2):
        full.publish(event(number))
    first = receive(full, VIDEO)

    def take_the_other() -> Delivery | None:
        assert full.receive([], 0) is None
        return free.receive(["video"], 0.05)

    assert id_of(wait_for(take_the_other, "the second message is another's")) == "1"
    full.accept(first)
