"""Looks into the dead-letter queues of RabbitMQ, over a short connection for each look."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pika
from pika.exceptions import AMQPError

from soundlift.common.broker import DeadLetter
from soundlift.common.broker.rabbitmq.link import sentence_of
from soundlift.common.broker.rabbitmq.messages import Parcel, as_new, dead_letter_of
from soundlift.common.broker.rabbitmq.topology import Topology, dead_name
from soundlift.common.errors import BrokerUnavailable

GIVE_BACK_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 0.01


@dataclass(frozen=True)
class _Got:
    queue: str
    number: int
    properties: pika.BasicProperties
    body: bytes

    @property
    def letter(self) -> DeadLetter:
        return dead_letter_of(self.queue, self.properties, self.body)


class DeadLetterQueues:
    """Gets all messages of the dead-letter queues, and gives back those that it does not settle."""

    def __init__(self, addresses: Sequence[pika.URLParameters], topology: Topology) -> None:
        self._addresses = addresses
        self._topology = topology

    def list(self) -> Iterator[DeadLetter]:
        """Yield all dead letters of one queue after the other."""
        with self._open() as channel, _got_from(channel, self._topology.queues) as got:
            letters = [one.letter for one in got]
        yield from letters

    def replay(self, letter_id: str) -> bool:
        """Publish the message to its queue, confirmed, and only then remove the letter."""
        return self._remove(letter_id, replay=True)

    def drop(self, letter_id: str) -> bool:
        """Remove the letter."""
        return self._remove(letter_id, replay=False)

    def _remove(self, letter_id: str, *, replay: bool) -> bool:
        with self._open() as channel, _got_from(channel, self._topology.queues) as got:
            found = next((one for one in got if one.letter.id == letter_id), None)
            if found is None:
                return False
            if replay:
                _publish(channel, as_new(found.queue, found.properties, found.body))
            channel.basic_ack(found.number)
            got.remove(found)
        return True

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            connection = pika.BlockingConnection(self._addresses)
            try:
                channel = connection.channel()
                channel.confirm_delivery()
                self._topology.declare(channel)
                yield channel
            finally:
                if connection.is_open:
                    connection.close()
        except AMQPError as error:
            raise BrokerUnavailable(sentence_of(error)) from error


def _publish(channel: Any, parcel: Parcel) -> None:
    channel.basic_publish(parcel.exchange, parcel.routing_key, parcel.body, parcel.properties, mandatory=True)


@contextmanager
def _got_from(channel: Any, queues: Sequence[str]) -> Iterator[list[_Got]]:
    """Yield all dead letters; give back, at the end, those that are still in the list."""
    got = [one for queue in queues for one in _get_all(channel, queue)]
    yield got
    for one in got:
        channel.basic_nack(one.number, requeue=True)
    _wait_until_back(channel, queues, len(got))


def _get_all(channel: Any, queue: str) -> Iterator[_Got]:
    while True:
        method, properties, body = channel.basic_get(dead_name(queue))
        if method is None:
            return
        yield _Got(queue, method.delivery_tag, properties, body)


def _wait_until_back(channel: Any, queues: Sequence[str], most: int) -> None:
    """Wait until all can be seen again: RabbitMQ takes messages back in its own time."""
    deadline = time.monotonic() + GIVE_BACK_SECONDS
    while time.monotonic() < deadline:
        counts = [channel.queue_declare(dead_name(queue), passive=True).method.message_count for queue in queues]
        if sum(counts) >= most:
            return
        channel.connection.sleep(LOOK_AGAIN_SECONDS)
