"""The queues that are declared, and queues that others have declared, deleted or filled."""

from __future__ import annotations

from contextlib import ExitStack, closing

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from devservers.availability import is_usable
from devservers.rabbitmq import RabbitMq
from devservers.waiting import wait_for
from soundlift.common.broker import DELAYS, Delivery, open_broker
from soundlift.common.broker.rabbitmq.topology import EVENTS, Topology, delay_name
from soundlift.common.broker.routes import queues_by_event_type
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import VIDEO_UPLOADED
from soundlift.common.settings import Settings
from tests.contract.broker.deliveries import VIDEO, event, id_of, receive
from tests.contract.broker.rabbitmq.conftest import Connect
from tests.factories.brokers import ROUTES


def test_publishing_fails_if_one_of_the_queues_refuses_the_event(connect: Connect, channel: BlockingChannel) -> None:
    broker = connect()
    broker.check()
    full = {"x-max-length": 0, "x-overflow": "reject-publish"}
    name = channel.queue_declare("", exclusive=True, arguments=full).method.queue
    channel.queue_bind(name, EVENTS, routing_key=VIDEO_UPLOADED)
    with pytest.raises(BrokerUnavailable, match="refused the message"):
        broker.publish(event())
    channel.queue_delete(name)
    broker.publish(event(2))


def test_a_deleted_queue_is_declared_again(connect: Connect, channel: BlockingChannel) -> None:
    broker, consumer = connect(), connect()
    assert consumer.receive(["video"], 0) is None
    broker.check()
    channel.queue_delete("video")

    def publish() -> bool:
        try:
            broker.publish(event())
        except BrokerUnavailable:
            return False
        return True

    def receive_again() -> Delivery | None:
        try:
            return consumer.receive(VIDEO, 0.1)
        except BrokerUnavailable:
            return None

    wait_for(publish, "an event finds a queue")
    assert id_of(wait_for(receive_again, "the consumer has the event")) == "1"


@pytest.mark.parametrize("arguments", [{}, {"x-queue-type": "quorum", "x-max-length": 5}])
def test_the_error_for_a_queue_with_other_properties_names_the_difference(
    connect: Connect, channel: BlockingChannel, arguments: dict[str, object]
) -> None:
    channel.queue_declare("video", durable=True, arguments=arguments)
    broker = connect()
    for use in (broker.check, lambda: broker.publish(event()), lambda: broker.receive(["video"], 0)):
        with pytest.raises(BrokerUnavailable, match=r"inequivalent arg 'x-.*' for queue 'video'.*QUEUE_TYPE"):
            use()
    with pytest.raises(BrokerUnavailable, match="for queue 'video'"):
        list(broker.list())
    channel.queue_delete("video")
    wait_for(lambda: is_usable(broker), "the queue is declared")


def test_a_plain_durable_queue_of_another_program_can_be_used(connect: Connect, channel: BlockingChannel) -> None:
    channel.queue_declare("video", durable=True)
    channel.basic_publish("", "video", b'{"video_fid": "1"}')
    broker = connect(topology=Topology(ROUTES, (0.3, 2), "classic"))
    assert receive(broker, VIDEO).message.body == b'{"video_fid": "1"}'


AT_LEAST_ONCE = {
    "x-dead-letter-exchange": "",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}
QUORUM = {"x-queue-type": "quorum"}
QUORUM_QUEUES = {
    "video": {**QUORUM, "x-delivery-limit": 20, **AT_LEAST_ONCE, "x-dead-letter-routing-key": "video.dead"},
    "mp3": {**QUORUM, "x-delivery-limit": 20, **AT_LEAST_ONCE, "x-dead-letter-routing-key": "mp3.dead"},
    "video.dead": {**QUORUM, "x-delivery-limit": 2**31 - 1},
    "mp3.dead": {**QUORUM, "x-delivery-limit": 2**31 - 1},
    "soundlift.delay.0.3s": {**QUORUM, "x-message-ttl": 300, **AT_LEAST_ONCE},
    "soundlift.delay.2s": {**QUORUM, "x-message-ttl": 2000, **AT_LEAST_ONCE},
}
CLASSIC: dict[str, dict[str, object]] = {
    "video": {},
    "mp3": {},
    "video.dead": {},
    "mp3.dead": {},
    "soundlift.delay.0.3s": {"x-message-ttl": 300, "x-dead-letter-exchange": ""},
    "soundlift.delay.2s": {"x-message-ttl": 2000, "x-dead-letter-exchange": ""},
}


@pytest.mark.parametrize(
    ("queue_type", "queues"), [("quorum", QUORUM_QUEUES), ("classic", CLASSIC)], ids=["replicated", "plain"]
)
def test_declarations_never_change_or_rabbitmq_would_refuse_an_update_its_own_queues(
    connect: Connect,
    channel: BlockingChannel,
    queue_type: str,
    queues: dict[str, dict[str, object]],
) -> None:
    for queue, arguments in queues.items():
        channel.queue_declare(queue, durable=True, arguments=arguments)
    exchanges = {EVENTS: "topic", delay_name(0.3): "fanout", delay_name(2): "fanout"}
    for exchange, exchange_type in exchanges.items():
        channel.exchange_declare(exchange, exchange_type=exchange_type, durable=True)
    connect(topology=Topology(ROUTES, (0.3, 2), queue_type)).check()


def test_the_settings_decide_queue_names_queue_type_and_prefetch(
    rabbitmq_node: RabbitMq, channel: BlockingChannel
) -> None:
    names = {"VIDEO_QUEUE": "films", "MP3_QUEUE": "songs", "QUEUE_TYPE": "classic"}
    settings = Settings.from_environment({"BROKER_URL": rabbitmq_node.url, "CONNECTOR_CONCURRENCY": "1", **names})
    with ExitStack() as stack:
        stack.callback(rabbitmq_node.delete, Topology(queues_by_event_type(settings), DELAYS, "classic"))
        one, another = (stack.enter_context(closing(open_broker(settings))) for _ in range(2))
        wait_for(lambda: is_usable(one), "the queues are declared")
        for queue in ("films", "songs", "films.dead", "songs.dead"):
            channel.queue_declare(queue, durable=True)  # RabbitMQ refuses this if there is a quorum queue
        for delay in DELAYS:
            channel.queue_declare(delay_name(delay), passive=True)
        for number in range(3):
            channel.basic_publish(EVENTS, VIDEO_UPLOADED, str(number).encode())
        taken = [broker.receive(["films"], 10) for broker in (one, another)]
        assert [delivery and delivery.message.body for delivery in taken] == [b"0", b"1"]
