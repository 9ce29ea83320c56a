"""The dead-letter queues of RabbitMQ, which RabbitMQ and other programs use, too."""

from __future__ import annotations

from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from devservers.waiting import wait_for
from soundlift.common.broker.rabbitmq.topology import DELIVERY_LIMIT, Topology, dead_name
from soundlift.common.errors import BrokerUnavailable
from tests.contract.broker.deliveries import REASON, VIDEO, event, receive
from tests.contract.broker.rabbitmq.conftest import DELAYS, Connect
from tests.factories.brokers import FAN_OUT_ROUTES, ROUTES


def test_a_dead_letter_has_its_reason_in_its_headers(connect: Connect, channel: BlockingChannel) -> None:
    broker = connect()
    broker.publish(event())
    broker.reject(receive(broker, VIDEO), REASON)
    _, properties, body = channel.basic_get("video.dead", auto_ack=True)
    reason = {name: properties.headers[f"soundlift-{name}"] for name in REASON}
    assert (reason, properties.message_id, properties.delivery_mode) == (REASON, "1", 2)
    assert properties.content_type == "application/cloudevents+json"
    assert b'"id": "1"' in body


def test_a_message_that_rabbitmq_gives_up_on_is_a_dead_letter(connect: Connect, channel: BlockingChannel) -> None:
    broker = connect()
    broker.publish(event())
    for _ in range(DELIVERY_LIMIT + 1):
        wait_for(lambda: nack(channel), "the message has been delivered")
    (letter,) = wait_for(lambda: list(broker.list()), "it is a dead letter")
    assert (letter.queue, letter.reason["detail"]) == ("video", "RabbitMQ gave up on the message: delivery_limit.")
    assert broker.replay(letter.id)
    assert receive(broker, VIDEO).attempt == 1


def test_a_dead_letter_of_another_program_has_a_stable_id(connect: Connect, channel: BlockingChannel) -> None:
    broker = connect()
    broker.check()
    put = [(b"a", None), (b"b", None), (b"a", "7")]
    for body, message_id in put:
        channel.basic_publish("", dead_name("video"), body, pika.BasicProperties(message_id=message_id))
    letters = wait_for(lambda: (found := list(broker.list()))[2:] and found, "all are there")
    assert [letter.message.body for letter in letters] == [body for body, _ in put]
    assert [dict(letter.reason) for letter in letters] == 3 * [{"detail": "RabbitMQ gave up on the message: unknown."}]
    assert len({letter.id for letter in letters}) == 3
    assert broker.drop(letters[0].id)
    assert list(broker.list()) == letters[1:]


def test_copies_of_a_message_in_two_dead_letter_queues_have_different_ids(
    connect: Connect, channel: BlockingChannel
) -> None:
    broker = connect(topology=Topology(FAN_OUT_ROUTES, DELAYS, "quorum"))
    broker.check()
    for queue in ("mp3", "audit"):
        channel.basic_publish("", dead_name(queue), b"a", pika.BasicProperties(message_id="7"))
    letters = {letter.queue: letter for letter in wait_for(lambda: [*broker.list()][1:] and [*broker.list()], "both")}
    assert broker.drop(letters["mp3"].id)
    assert list(broker.list()) == [letters["audit"]]
    assert broker.replay(letters["audit"].id)
    assert receive(broker, ["mp3", "audit"]).queue == "audit"


def nack(channel: BlockingChannel) -> bool:
    method, _, _ = channel.basic_get("video")
    if method is not None:
        channel.basic_nack(method.delivery_tag, requeue=True)
    return method is not None


class WithoutVideo(Topology):
    """A topology that deletes the queue video right after declaring it."""

    def declare(self, channel: Any) -> None:
        super().declare(channel)
        channel.queue_delete("video")


def test_a_dead_letter_that_cannot_be_replayed_stays_a_dead_letter(connect: Connect) -> None:
    broker = connect()
    broker.publish(event())
    broker.reject(receive(broker, VIDEO), REASON)
    (letter,) = broker.list()
    with pytest.raises(BrokerUnavailable):
        connect(topology=WithoutVideo(ROUTES, (0.3, 2), "quorum")).replay(letter.id)
    (left,) = wait_for(lambda: list(broker.list()), "it is among the dead letters again")
    assert left == letter


def test_listing_dead_letters_any_number_of_times_loses_none(connect: Connect) -> None:
    broker = connect()
    for number in range(5):
        broker.publish(event(number))
        broker.reject(receive(broker, VIDEO), REASON)
    for _ in range(DELIVERY_LIMIT + 2):
        assert len(list(broker.list())) == 5
