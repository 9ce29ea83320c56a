"""Consumes from RabbitMQ with a prefetch, acknowledging each message when it is settled."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pika

from soundlift.common.broker import Delivery
from soundlift.common.broker.rabbitmq.connection import ReconnectingConnection
from soundlift.common.broker.rabbitmq.messages import (
    OutgoingMessage,
    message_for_rejection,
    message_for_retry,
    read_delivery,
)
from soundlift.common.broker.rabbitmq.publisher import ConfirmingPublisher
from soundlift.common.broker.rabbitmq.topology import DEFAULT_EXCHANGE, Topology
from soundlift.common.errors import BrokerUnavailable

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 1.0


@dataclass(frozen=True, eq=False)
class DeliveryTag:
    """A message's number and its channel; on another channel, the number refers to a different message."""

    channel: Any
    number: int
    properties: pika.BasicProperties


class PrefetchingConsumer:
    """A consumer of the queues passed to `receive`, with at most `prefetch` unsettled messages of each.

    Prefetched messages of a queue that `receive` has not been called with for a while are returned to RabbitMQ.
    """

    def __init__(
        self,
        addresses: Sequence[pika.URLParameters],
        topology: Topology,
        publisher: ConfirmingPublisher,
        *,
        prefetch: int,
    ) -> None:
        self._connection = ReconnectingConnection(
            addresses, topology, prepare=self._prepare, lost=self._lost, blocked=lambda _: None
        )
        self._topology = topology
        self._publisher = publisher
        self._prefetch = prefetch
        self._channel: Any = None
        self._changed = threading.Condition()
        self._arrived: dict[str, deque[Delivery]] = defaultdict(deque)
        self._unsettled: set[DeliveryTag] = set()
        self._consumers: dict[str, str] = {}
        self._subscribed: set[str] = set()
        self._asked_at: dict[str, float] = {}
        self.close = self._connection.close

    def receive(self, queues: Collection[str], timeout: float) -> Delivery | None:
        """Return a prefetched message or wait for one; the timeout begins when the queues are subscribed."""
        self._connection.wait_until_up(CONNECT_SECONDS)
        self._subscribe(queues)
        with self._changed:
            self._changed.wait_for(lambda: self._channel is None or any(map(self._arrived.get, queues)), timeout)
            waiting = [self._arrived[queue] for queue in queues if self._arrived.get(queue)]
            return min(waiting, key=lambda deliveries: deliveries[0].tag.number).popleft() if waiting else None

    def unsubscribe(self) -> None:
        """Cancel all subscriptions, so that settled messages are not replaced by new ones."""
        self._connection.call(partial(self._change, (), set(self._asked_at)))
        self._asked_at.clear()

    def accept(self, delivery: Delivery) -> None:
        """Acknowledge the message; if the acknowledgement is lost, RabbitMQ delivers it again."""
        self._settle(delivery, None)

    def retry(self, delivery: Delivery, *, delay: float) -> None:
        """Put the message in a delay queue, or without a delay at the end of its own queue, and acknowledge it."""
        exchange = self._topology.delay_for(delay) if delay else DEFAULT_EXCHANGE
        self._settle(delivery, message_for_retry(delivery, exchange))

    def reject(self, delivery: Delivery, reason: Mapping[str, Any]) -> None:
        """Put the message with its reason in the dead-letter queue, and acknowledge it."""
        self._settle(delivery, message_for_rejection(delivery, reason))

    def _settle(self, delivery: Delivery, message: OutgoingMessage | None) -> None:
        """Forward the message, if any, then acknowledge it; do nothing if it is settled or was returned to RabbitMQ."""
        tag: DeliveryTag = delivery.tag
        with self._changed:
            if tag not in self._unsettled:
                return
            self._unsettled.remove(tag)
        try:
            if message:
                self._publisher.send(message)
        except BrokerUnavailable:
            with self._changed:
                if tag.channel is self._channel:
                    self._unsettled.add(tag)
            raise
        self._connection.call(partial(_acknowledge, tag))

    def _subscribe(self, queues: Collection[str]) -> None:
        """Subscribe to these queues, and cancel those that have not been requested for a while."""
        moment = time.monotonic()
        self._asked_at.update(dict.fromkeys(queues, moment))
        idle = {queue for queue, asked_at in self._asked_at.items() if asked_at < moment - IDLE_SECONDS}
        if idle or not self._subscribed.issuperset(queues):
            self._connection.call(partial(self._change, tuple(queues), idle))
            with self._changed:
                self._changed.wait_for(
                    lambda: self._channel is None or self._subscribed.issuperset(queues), CONNECT_SECONDS
                )
        for queue in idle:
            del self._asked_at[queue]

    def _prepare(self, channel: Any, ready: Callable[[], None]) -> None:
        def prepared(_: Any) -> None:
            self._channel = channel
            ready()

        channel.add_on_cancel_callback(lambda _: channel.close())
        channel.basic_qos(prefetch_count=self._prefetch, callback=prepared)

    def _change(self, queues: Collection[str], idle: Collection[str]) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            return
        for queue in set(queues) - self._consumers.keys():
            self._consumers[queue] = channel.basic_consume(
                queue, partial(self._arrive, queue), callback=partial(self._subscription_confirmed, queue)
            )
        for queue in idle & self._consumers.keys():
            channel.basic_cancel(self._consumers.pop(queue))
            self._return_prefetched(queue)

    def _return_prefetched(self, queue: str) -> None:
        with self._changed:
            self._subscribed.discard(queue)
            returned = [delivery.tag for delivery in self._arrived.pop(queue, ())]
            self._unsettled.difference_update(returned)
        for tag in returned:
            tag.channel.basic_nack(tag.number, requeue=True)

    def _subscription_confirmed(self, queue: str, _: Any) -> None:
        with self._changed:
            self._subscribed.add(queue)
            self._changed.notify_all()

    def _arrive(self, queue: str, channel: Any, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        tag = DeliveryTag(channel, method.delivery_tag, properties)
        with self._changed:
            self._unsettled.add(tag)
            self._arrived[queue].append(read_delivery(queue, method, properties, body, tag))
            self._changed.notify_all()

    def _lost(self, reason: str) -> None:
        with self._changed:
            self._channel = None
            self._arrived.clear()
            self._unsettled.clear()
            self._consumers.clear()
            self._subscribed.clear()
            self._changed.notify_all()


def _acknowledge(tag: DeliveryTag) -> None:
    if tag.channel.is_open:
        tag.channel.basic_ack(tag.number)
