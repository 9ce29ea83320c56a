"""Consumes from RabbitMQ: as many messages in advance as there are places, each acknowledged when it is settled."""

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
from soundlift.common.broker.rabbitmq.link import Link
from soundlift.common.broker.rabbitmq.messages import Parcel, again, dead, delivery_of
from soundlift.common.broker.rabbitmq.publisher import ConfirmingPublisher
from soundlift.common.broker.rabbitmq.topology import DEFAULT_EXCHANGE, Topology
from soundlift.common.errors import BrokerUnavailable

PATIENCE_SECONDS = 5.0
UNASKED_SECONDS = 1.0


@dataclass(frozen=True, eq=False)
class Tag:
    """Says which message on which channel a delivery is; on another channel the number means another message."""

    channel: Any
    number: int
    properties: pika.BasicProperties


class PrefetchingConsumer:
    """Subscribes to the queues that it is asked for, and holds `prefetch` messages of each at most.

    What RabbitMQ has sent for a queue that nobody has asked for a while goes back to it.
    """

    def __init__(
        self,
        addresses: Sequence[pika.URLParameters],
        topology: Topology,
        publisher: ConfirmingPublisher,
        *,
        prefetch: int,
    ) -> None:
        self._link = Link(addresses, topology, prepare=self._prepare, lost=self._lost, blocked=lambda _: None)
        self._topology = topology
        self._publisher = publisher
        self._prefetch = prefetch
        self._channel: Any = None
        self._changed = threading.Condition()
        self._arrived: dict[str, deque[Delivery]] = defaultdict(deque)
        self._unsettled: set[Tag] = set()
        self._consumers: dict[str, str] = {}
        self._subscribed: set[str] = set()
        self._asked: dict[str, float] = {}
        self.close = self._link.close

    def receive(self, queues: Collection[str], timeout: float) -> Delivery | None:
        """Return a message that has arrived, or wait for one; the time counts from when we are subscribed."""
        self._link.wait_until_up(PATIENCE_SECONDS)
        self._subscribe(queues)
        with self._changed:
            self._changed.wait_for(lambda: self._channel is None or any(map(self._arrived.get, queues)), timeout)
            waiting = [self._arrived[queue] for queue in queues if self._arrived.get(queue)]
            return min(waiting, key=lambda one: one[0].tag.number).popleft() if waiting else None

    def unsubscribe(self) -> None:
        """Cancel all subscriptions, or there come more messages in the place of those that are settled."""
        self._link.call(partial(self._change, (), set(self._asked)))
        self._asked.clear()

    def accept(self, delivery: Delivery) -> None:
        """Acknowledge the message; RabbitMQ delivers it again if it does not hear of that."""
        self._settle(delivery, None)

    def retry(self, delivery: Delivery, *, delay: float) -> None:
        """Put the message in a delay queue, or for no delay at the end of its own, and acknowledge it."""
        exchange = self._topology.delay_for(delay) if delay else DEFAULT_EXCHANGE
        self._settle(delivery, again(delivery, exchange))

    def reject(self, delivery: Delivery, reason: Mapping[str, Any]) -> None:
        """Put the message with its reason in the dead-letter queue, and acknowledge it."""
        self._settle(delivery, dead(delivery, reason))

    def _settle(self, delivery: Delivery, parcel: Parcel | None) -> None:
        """Send the message on, then acknowledge it, unless that was done, or RabbitMQ has taken it back."""
        tag: Tag = delivery.tag
        with self._changed:
            if tag not in self._unsettled:
                return
            self._unsettled.remove(tag)
        try:
            if parcel:
                self._publisher.send(parcel)
        except BrokerUnavailable:
            with self._changed:
                if tag.channel is self._channel:
                    self._unsettled.add(tag)
            raise
        self._link.call(partial(_acknowledge, tag))

    def _subscribe(self, queues: Collection[str]) -> None:
        """Consume from the queues that are asked for, and no more from those that have not been for a while."""
        moment = time.monotonic()
        self._asked.update(dict.fromkeys(queues, moment))
        unasked = {queue for queue, asked in self._asked.items() if asked < moment - UNASKED_SECONDS}
        if unasked or not self._subscribed.issuperset(queues):
            self._link.call(partial(self._change, tuple(queues), unasked))
            with self._changed:
                self._changed.wait_for(
                    lambda: self._channel is None or self._subscribed.issuperset(queues), PATIENCE_SECONDS
                )
        for queue in unasked:
            del self._asked[queue]

    def _prepare(self, channel: Any, ready: Callable[[], None]) -> None:
        def prepared(_: Any) -> None:
            self._channel = channel
            ready()

        channel.add_on_cancel_callback(lambda _: channel.close())
        channel.basic_qos(prefetch_count=self._prefetch, callback=prepared)

    def _change(self, queues: Collection[str], unasked: Collection[str]) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            return
        for queue in set(queues) - self._consumers.keys():
            self._consumers[queue] = channel.basic_consume(
                queue, partial(self._arrive, queue), callback=partial(self._begun, queue)
            )
        for queue in unasked & self._consumers.keys():
            channel.basic_cancel(self._consumers.pop(queue))
            self._hand_back(queue)

    def _hand_back(self, queue: str) -> None:
        with self._changed:
            self._subscribed.discard(queue)
            returned = [delivery.tag for delivery in self._arrived.pop(queue, ())]
            self._unsettled.difference_update(returned)
        for tag in returned:
            tag.channel.basic_nack(tag.number, requeue=True)

    def _begun(self, queue: str, _: Any) -> None:
        with self._changed:
            self._subscribed.add(queue)
            self._changed.notify_all()

    def _arrive(self, queue: str, channel: Any, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        tag = Tag(channel, method.delivery_tag, properties)
        with self._changed:
            self._unsettled.add(tag)
            self._arrived[queue].append(delivery_of(queue, method, properties, body, tag))
            self._changed.notify_all()

    def _lost(self, why: str) -> None:
        with self._changed:
            self._channel = None
            self._arrived.clear()
            self._unsettled.clear()
            self._consumers.clear()
            self._subscribed.clear()
            self._changed.notify_all()


def _acknowledge(tag: Tag) -> None:
    if tag.channel.is_open:
        tag.channel.basic_ack(tag.number)
