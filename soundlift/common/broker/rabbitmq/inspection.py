"""What an operator needs to know of RabbitMQ's queues, with a short-lived connection for each question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from typing import Any

import pika
from pika.exceptions import AMQPError, ChannelClosedByBroker

from soundlift.common.broker import QueueCount
from soundlift.common.broker.rabbitmq.connection import describe_error
from soundlift.common.broker.rabbitmq.topology import DEFAULT_EXCHANGE, Topology, dead_name, delay_name
from soundlift.common.errors import BrokerUnavailable

NOT_FOUND = 404
DELAYED = "soundlift.delay"
NOBODY = "soundlift.no-such-queue"
BLOCKED_SECONDS = 2
ALARM_SECONDS = 0.5  # RabbitMQ reports an alarm to a connection that publishes during one


class Inspection:
    """Questions about the queues of one virtual host. AMQP does not tell how many messages are in flight."""

    def __init__(self, addresses: Sequence[pika.URLParameters], topology: Topology) -> None:
        self._addresses = addresses
        self._topology = topology

    def counts(self) -> Sequence[QueueCount]:
        """Return the counts of the queues that exist, without creating any; the last one is of delayed messages."""
        with self._connected() as connection:
            found = [_count(connection, queue) for queue in self._topology.queues]
            delays = [_declared(connection, delay_name(delay)) for delay in self._topology.delays]
        delayed = sum(one.message_count for one in delays if one)
        total = [QueueCount(DELAYED, delayed, None, None, None)] if any(delays) else []
        return [one for one in found if one] + total

    def verify(self) -> None:
        """Raise BrokerUnavailable if a queue has other properties than ours, or an alarm blocks publishers."""
        alarms: list[str] = []
        with self._connected() as connection:
            connection.add_on_connection_blocked_callback(lambda _, frame: alarms.append(frame.method.reason))
            channel = connection.channel()
            self._topology.declare(channel)
            channel.basic_publish(DEFAULT_EXCHANGE, NOBODY, b"")  # is dropped
            connection.sleep(ALARM_SECONDS)
            if alarms:
                raise BrokerUnavailable(f"RabbitMQ accepts no messages at the moment: {alarms[0]}.")

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        try:
            connection = pika.BlockingConnection([_impatient(address) for address in self._addresses])
            try:
                yield connection
            finally:
                with suppress(AMQPError):
                    connection.close()
        except (AMQPError, OSError) as error:
            raise BrokerUnavailable(describe_error(error)) from error


def _impatient(address: pika.URLParameters) -> pika.URLParameters:
    """Return an address whose connection ends soon if it is blocked: RabbitMQ would not even read that we close it."""
    impatient = copy(address)
    impatient.blocked_connection_timeout = BLOCKED_SECONDS
    return impatient


def _count(connection: Any, queue: str) -> QueueCount | None:
    found, dead = _declared(connection, queue), _declared(connection, dead_name(queue))
    if found is None:
        return None
    return QueueCount(queue, found.message_count, None, dead.message_count if dead else 0, found.consumer_count)


def _declared(connection: Any, queue: str) -> Any:
    """Return what RabbitMQ tells about a queue; None if it does not exist, which closes the channel."""
    channel = connection.channel()
    try:
        answer = channel.queue_declare(queue, passive=True).method
    except ChannelClosedByBroker as error:
        if error.reply_code != NOT_FOUND:
            raise
        return None
    channel.close()
    return answer
