"""The broker port over RabbitMQ."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pika
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import DeadLetter, Delivery, QueueCount
from soundlift.common.broker.rabbitmq.consumer import PrefetchingConsumer
from soundlift.common.broker.rabbitmq.dead_letters import DeadLetterQueues
from soundlift.common.broker.rabbitmq.inspection import Inspection
from soundlift.common.broker.rabbitmq.messages import message_for_event
from soundlift.common.broker.rabbitmq.publisher import ConfirmingPublisher
from soundlift.common.broker.rabbitmq.topology import Topology
from soundlift.common.errors import BrokerUnavailable

CONFIRM_SECONDS = 1.0


class RabbitMqBroker:
    """Publisher, consumer and dead letters of one virtual host, each with its own connection.

    Publishing needs its own because RabbitMQ stops reading from publishing connections during an alarm
    (https://www.rabbitmq.com/docs/alarms).
    """

    def __init__(
        self,
        addresses: Sequence[pika.URLParameters],
        topology: Topology,
        *,
        prefetch: int,
        confirm_timeout: float = CONFIRM_SECONDS,
    ) -> None:
        self._routes = topology.routes
        self._publisher = ConfirmingPublisher(addresses, topology, timeout=confirm_timeout)
        self._consumer = PrefetchingConsumer(addresses, topology, self._publisher, prefetch=prefetch)
        self._dead_letters = DeadLetterQueues(addresses, topology)
        self._inspection = Inspection(addresses, topology)

    def publish(self, event: CloudEvent) -> None:
        """Publish to the topic exchange, waiting at most `confirm_timeout` seconds for the confirm."""
        if not self._routes.get(event.get_type()):
            raise BrokerUnavailable(f"No queue receives events of type {event.get_type()}.")
        self._publisher.send(message_for_event(event))

    def check(self) -> None:
        """Raise BrokerUnavailable unless an event could be published now."""
        self._publisher.check()

    def receive(self, queues: Collection[str], timeout: float) -> Delivery | None:
        """Return a prefetched message, or wait for one."""
        return self._consumer.receive(queues, timeout)

    def unsubscribe(self) -> None:
        """Cancel the subscriptions, and return prefetched messages."""
        self._consumer.unsubscribe()

    def accept(self, delivery: Delivery) -> None:
        """Acknowledge the message."""
        self._consumer.accept(delivery)

    def retry(self, delivery: Delivery, *, delay: float) -> None:
        """Send the message through the delay queue of the shortest delay that is long enough, or of the longest."""
        self._consumer.retry(delivery, delay=delay)

    def reject(self, delivery: Delivery, reason: Mapping[str, Any]) -> None:
        """Send the message to the dead-letter queue of its queue."""
        self._consumer.reject(delivery, reason)

    def counts(self) -> Sequence[QueueCount]:
        """Return the counts of the queues, and one for the messages whose delay is not over."""
        return self._inspection.counts()

    def verify(self) -> None:
        """Declare the queues, which fails if they have other properties, and see whether an alarm blocks publishers."""
        self._inspection.verify()

    def list(self) -> Iterator[DeadLetter]:
        """Yield all dead letters, queue by queue."""
        return self._dead_letters.list()

    def replay(self, letter_id: str) -> bool:
        """Move a dead letter back to the queue it came from, as a new message; return whether it existed."""
        return self._dead_letters.replay(letter_id)

    def drop(self, letter_id: str) -> bool:
        """Delete a dead letter; return whether it existed."""
        return self._dead_letters.drop(letter_id)

    def close(self) -> None:
        """Close the connections permanently."""
        self._consumer.close()
        self._publisher.close()
