"""Reads the dead-letter queues of RabbitMQ, with a short-lived connection for each operation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pika
from pika.exceptions import AMQPError

from soundlift.common.broker import DeadLetter
from soundlift.common.broker.rabbitmq.connection import describe_error
from soundlift.common.broker.rabbitmq.messages import OutgoingMessage, message_for_replay, read_dead_letter
from soundlift.common.broker.rabbitmq.topology import Topology, dead_name
from soundlift.common.errors import BrokerUnavailable

RETURN_SECONDS = 5.0
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class _Fetched:
    queue: str
    number: int
    properties: pika.BasicProperties
    body: bytes

    @property
    def letter(self) -> DeadLetter:
        return read_dead_letter(self.queue, self.properties, self.body)


class DeadLetterQueues:
    """The dead-letter queues; every operation fetches all messages and returns those that it does not settle."""

    def __init__(self, addresses: Sequence[pika.URLParameters], topology: Topology) -> None:
        self._addresses = addresses
        self._topology = topology

    def list(self) -> Iterator[DeadLetter]:
        """Yield all dead letters, queue by queue."""
        with self._open() as channel, _fetched_from(channel, self._topology.queues) as fetched:
            letters = [message.letter for message in fetched]
        yield from letters

    def replay(self, letter_id: str) -> bool:
        """Publish the message to the queue it came from, confirmed, and only then remove the letter."""
        return self._remove(letter_id, replay=True)

    def drop(self, letter_id: str) -> bool:
        """Remove the letter."""
        return self._remove(letter_id, replay=False)

    def _remove(self, letter_id: str, *, replay: bool) -> bool:
        with self._open() as channel, _fetched_from(channel, self._topology.queues) as fetched:
            found = next((message for message in fetched if message.letter.id == letter_id), None)
            if found is None:
                return False
            if replay:
                _publish(channel, message_for_replay(found.queue, found.properties, found.body))
            channel.basic_ack(found.number)
            fetched.remove(found)
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
            raise BrokerUnavailable(describe_error(error)) from error


def _publish(channel: Any, message: OutgoingMessage) -> None:
    channel.basic_publish(message.exchange, message.routing_key, message.body, message.properties, mandatory=True)


@contextmanager
def _fetched_from(channel: Any, queues: Sequence[str]) -> Iterator[list[_Fetched]]:
    """Yield all dead letters; afterwards, return those that are still in the list."""
    fetched = [message for queue in queues for message in _fetch_all(channel, queue)]
    yield fetched
    for message in fetched:
        channel.basic_nack(message.number, requeue=True)
    _wait_until_returned(channel, queues, len(fetched))


def _fetch_all(channel: Any, queue: str) -> Iterator[_Fetched]:
    while True:
        method, properties, body = channel.basic_get(dead_name(queue))
        if method is None:
            return
        yield _Fetched(queue, method.delivery_tag, properties, body)


def _wait_until_returned(channel: Any, queues: Sequence[str], count: int) -> None:
    """Wait until all messages are visible again: RabbitMQ requeues them asynchronously."""
    deadline = time.monotonic() + RETURN_SECONDS
    while time.monotonic() < deadline:
        counts = [channel.queue_declare(dead_name(queue), passive=True).method.message_count for queue in queues]
        if sum(counts) >= count:
            return
        channel.connection.sleep(POLL_SECONDS)
