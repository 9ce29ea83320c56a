"""The broker port: publishing, consuming and dead letters; and its opener, which reads BROKER_URL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker.routes import queues_by_event_type
from soundlift.common.errors import SettingError
from soundlift.common.events import Message
from soundlift.common.settings import Settings

SINKS = ("http", "https")
DELAYS = (5.0, 30.0, 120.0, 600.0)


@dataclass(frozen=True)
class Delivery:
    """A message handed to a consumer; `attempt` counts its deliveries from this queue, beginning with 1.

    `tag` is the adapter's own reference to the message.
    """

    queue: str
    message: Message
    attempt: int
    tag: Any


@dataclass(frozen=True)
class DeadLetter:
    """A rejected message with the reason: function, status, detail, attempts, and the time as `at`."""

    id: str
    queue: str
    message: Message
    reason: Mapping[str, Any]


@dataclass(frozen=True)
class QueueCount:
    """The messages of one queue, and its consumers; None means that the broker does not tell.

    `waiting` includes those whose delay is not over, if the queue itself keeps them.
    """

    queue: str
    waiting: int
    in_flight: int | None
    dead: int | None
    consumers: int | None


class Publisher(Protocol):
    """The side of a broker that accepts events. Thread-safe."""

    def publish(self, event: CloudEvent) -> None:
        """Store an event durably in every queue of its type; raises BrokerUnavailable unless that is confirmed.

        After an error the event may be in some or all of the queues: publish it again, or leave that to cleanup.
        """
        ...

    def check(self) -> None:
        """Raise BrokerUnavailable unless the broker answers."""
        ...


class Consumer(Protocol):
    """The side of a broker that delivers messages, each of which is settled by accept, retry or reject.

    Each queue has its own copy of an event, with its own attempts, delays and dead letters; settling the message of
    one queue does not affect the others. A message that is unsettled when its consumer dies is delivered again.

    One thread calls `receive` in a loop, which also renews the claims on unsettled messages. Messages may be settled
    from any thread. Settling a message twice, or after another consumer has received it, has no effect.
    Every method raises BrokerUnavailable.
    """

    def receive(self, queues: Collection[str], timeout: float) -> Delivery | None:
        """Return the next message of any of the queues, or None if none arrives within `timeout` seconds."""
        ...

    def unsubscribe(self) -> None:
        """Stop receiving new messages; while some are unsettled, keep calling `receive` with no queues."""
        ...

    def accept(self, delivery: Delivery) -> None:
        """Remove a message that was processed."""
        ...

    def retry(self, delivery: Delivery, *, delay: float) -> None:
        """Deliver a message again after `delay` seconds, which is 0 or one of DELAYS."""
        ...

    def reject(self, delivery: Delivery, reason: Mapping[str, Any]) -> None:
        """Move a message to the dead letters of its queue."""
        ...


class DeadLetters(Protocol):
    """Access to dead letters for operators. Every method raises BrokerUnavailable."""

    def list(self) -> Iterator[DeadLetter]:
        """Yield all dead letters, oldest first in each queue."""
        ...

    def replay(self, letter_id: str) -> bool:
        """Move a dead letter back to the queue it came from, as a new message; return whether it existed."""
        ...

    def drop(self, letter_id: str) -> bool:
        """Delete a dead letter; return whether it existed."""
        ...


class QueueInspection(Protocol):
    """The side of a broker that tells an operator about its queues."""

    def counts(self) -> Sequence[QueueCount]:
        """Return the counts of each queue that exists; raises BrokerUnavailable."""
        ...

    def verify(self) -> None:
        """Raise BrokerUnavailable unless all queues can be used, and messages are accepted; creates missing queues."""
        ...


class Broker(Publisher, Consumer, DeadLetters, QueueInspection, Protocol):
    """A complete broker; most of its users need only one of its sides."""

    def close(self) -> None:
        """Close the connections; unsettled messages are delivered again."""
        ...


def open_publisher(settings: Settings, broker: Callable[[], Broker]) -> Publisher:
    """Open the sink at BROKER_URL, without connecting; if the URL names a broker instead, return `broker()`."""
    if settings.broker_url.partition("://")[0] in SINKS:
        from soundlift.common.broker.http_sink import HttpSink

        return HttpSink(settings.broker_url)
    return broker()


def open_broker(settings: Settings) -> Broker:
    """Open the broker at BROKER_URL, without connecting; raises SettingError if the URL is not a broker's."""
    scheme, _, path = settings.broker_url.partition("://")
    if scheme == "sqlite" and path.startswith("/"):
        from pathlib import Path

        from soundlift.common.broker.sqlite import SqliteBroker

        return SqliteBroker(Path(path[1:]), queues_by_event_type(settings))
    if scheme in ("amqp", "amqps"):
        from soundlift.common.broker.rabbitmq import RabbitMqBroker
        from soundlift.common.broker.rabbitmq.addresses import TlsFiles, read_addresses
        from soundlift.common.broker.rabbitmq.topology import Topology

        files = TlsFiles(settings.broker_ca_file, settings.broker_cert_file, settings.broker_key_file)
        topology = Topology(queues_by_event_type(settings), DELAYS, settings.queue_type)
        addresses = read_addresses(settings.broker_url, files)
        return RabbitMqBroker(addresses, topology, prefetch=settings.connector_concurrency)
    if scheme in SINKS:
        raise SettingError(
            "Setting BROKER_URL names a sink, which accepts events but delivers none; name a broker.",
            setting="BROKER_URL",
        )
    allowed = "sqlite:///FILE, amqp://…, amqps://…, or http(s)://… for a sink"
    raise SettingError(f"Setting BROKER_URL must be {allowed}.", setting="BROKER_URL")
