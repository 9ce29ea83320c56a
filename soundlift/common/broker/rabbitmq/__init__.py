"""Keeps the queues in RabbitMQ: an adapter of the broker port."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pika
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import DeadLetter, Delivery
from soundlift.common.broker.rabbitmq.consumer import PrefetchingConsumer
from soundlift.common.broker.rabbitmq.dead_letters import DeadLetterQueues
from soundlift.common.broker.rabbitmq.messages import parcel_of
from soundlift.common.broker.rabbitmq.publisher import ConfirmingPublisher
from soundlift.common.broker.rabbitmq.topology import Topology
from soundlift.common.errors import BrokerUnavailable

PATIENCE_SECONDS = 1.0


class RabbitMqBroker:
    """Is publisher, consumer and dead letters of one virtual host, each over a connection of its own.

    Publishing has its own because RabbitMQ stops reading from a connection that publishes while an alarm is on.
    """

    def __init__(
        self,
        addresses: Sequence[pika.URLParameters],
        topology: Topology,
        *,
        prefetch: int,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._routes = topology.routes
        self._publisher = ConfirmingPublisher(addresses, topology, patience=patience)
        self._consumer = PrefetchingConsumer(addresses, topology, self._publisher, prefetch=prefetch)
        self._dead_letters = DeadLetterQueues(addresses, topology)

    def publish(self, event: CloudEvent) -> None:
        """Publish to the topic exchange; `patience` is as long as anybody waits for a broker that is away."""
        if event.get_type() not in self._routes:
            raise BrokerUnavailable(f"No queue takes events of type {event.get_type()}.")
        self._publisher.send(parcel_of(event))

    def check(self) -> None:
        """Raise BrokerUnavailable unless an event would be sent now."""
        self._publisher.check()

    def receive(self, queues: Collection[str], timeout: float) -> Delivery | None:
        """Return a message that has arrived, or wait for one."""
        return self._consumer.receive(queues, timeout)

    def unsubscribe(self) -> None:
        """Cancel the subscriptions, and hand back what has arrived in advance."""
        self._consumer.unsubscribe()

    def accept(self, delivery: Delivery) -> None:
        """Acknowledge the message."""
        self._consumer.accept(delivery)

    def retry(self, delivery: Delivery, *, delay: float) -> None:
        """Send the message through the delay queue that holds it at least so long, or the longest."""
        self._consumer.retry(delivery, delay=delay)

    def reject(self, delivery: Delivery, reason: Mapping[str, Any]) -> None:
        """Send the message to the dead letters."""
        self._consumer.reject(delivery, reason)

    def list(self) -> Iterator[DeadLetter]:
        """Yield all dead letters, queue by queue."""
        return self._dead_letters.list()

    def replay(self, letter_id: str) -> bool:
        """Put a dead letter back in its queue, as new; tell whether there was one."""
        return self._dead_letters.replay(letter_id)

    def drop(self, letter_id: str) -> bool:
        """Remove a dead letter for good; tell whether there was one."""
        return self._dead_letters.drop(letter_id)

    def close(self) -> None:
        """Close the connections, for good."""
        self._consumer.close()
        self._publisher.close()
