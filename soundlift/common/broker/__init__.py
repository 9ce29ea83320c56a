"""Defines the broker port, publishing and consuming, and opens the broker that BROKER_URL names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cloudevents.core.v1.event import CloudEvent

from soundlift.common.errors import SettingError
from soundlift.common.events import CONVERSION_FAILED, MP3_READY, VIDEO_UPLOADED, Message
from soundlift.common.settings import Settings

SINKS = ("http", "https")
DELAYS = (5.0, 30.0, 120.0, 600.0)


@dataclass(frozen=True)
class Delivery:
    """Is one message handed to a consumer, for the `attempt`th time beginning with 1."""

    queue: str
    message: Message
    attempt: int
    tag: Any


@dataclass(frozen=True)
class DeadLetter:
    """Is a message that nobody could use, with what is known of why: function, status, detail, attempts, when."""

    id: str
    queue: str
    message: Message
    reason: Mapping[str, Any]


class Publisher(Protocol):
    """Hands events to the broker. Safe to share between threads."""

    def publish(self, event: CloudEvent) -> None:
        """Put an event in the queue of its type, durably; raises BrokerUnavailable unless that is confirmed."""
        ...

    def check(self) -> None:
        """Raise BrokerUnavailable unless the broker answers."""
        ...


class Consumer(Protocol):
    """Takes messages and gives verdicts on them; what has none when its consumer dies is delivered again.

    One thread calls `receive`, again and again, which also keeps the claims on messages in work alive.
    Verdicts may come from any thread, and more than once; one on a message that another consumer has by then does
    nothing. Every method raises BrokerUnavailable.
    """

    def receive(self, queues: Collection[str], timeout: float) -> Delivery | None:
        """Return the next message of some queues, or None after `timeout` seconds without one."""
        ...

    def unsubscribe(self) -> None:
        """Take no new message; call `receive` for no queue from then on, while there are messages in work."""
        ...

    def accept(self, delivery: Delivery) -> None:
        """Remove a message that has done its work."""
        ...

    def retry(self, delivery: Delivery, *, delay: float) -> None:
        """Deliver a message again after `delay` seconds, which is 0 or one of DELAYS."""
        ...

    def reject(self, delivery: Delivery, reason: Mapping[str, Any]) -> None:
        """Put a message among the dead letters."""
        ...


class DeadLetters(Protocol):
    """Lets people look at dead letters. Every method raises BrokerUnavailable."""

    def list(self) -> Iterator[DeadLetter]:
        """Yield all dead letters, oldest first."""
        ...

    def replay(self, letter_id: str) -> bool:
        """Put a dead letter back in its queue, as new; tell whether there was one."""
        ...

    def drop(self, letter_id: str) -> bool:
        """Remove a dead letter for good; tell whether there was one."""
        ...


class Broker(Publisher, Consumer, DeadLetters, Protocol):
    """Is a whole broker; each user of it needs one of its three sides."""

    def close(self) -> None:
        """Close the connections; what has had no verdict is delivered again."""
        ...


def routes_of(settings: Settings) -> dict[str, str]:
    """Return the queue of each event type: the bindings of the topic exchange."""
    return {
        VIDEO_UPLOADED: settings.video_queue,
        MP3_READY: settings.mp3_queue,
        CONVERSION_FAILED: settings.mp3_queue,
    }


def open_publisher(settings: Settings, broker: Callable[[], Broker]) -> Publisher:
    """Open the sink at BROKER_URL, without connecting; where that names a whole broker, return this one."""
    if settings.broker_url.partition("://")[0] in SINKS:
        from soundlift.common.broker.http_sink import HttpSink

        return HttpSink(settings.broker_url)
    return broker()


def open_broker(settings: Settings) -> Broker:
    """Open the broker at BROKER_URL, without connecting; raises SettingError where it names none that we have."""
    scheme, _, path = settings.broker_url.partition("://")
    if scheme == "sqlite" and path.startswith("/"):
        from pathlib import Path

        from soundlift.common.broker.sqlite import SqliteBroker

        return SqliteBroker(Path(path[1:]), routes_of(settings))
    if scheme in ("amqp", "amqps"):
        from soundlift.common.broker.rabbitmq import RabbitMqBroker
        from soundlift.common.broker.rabbitmq.addresses import TlsFiles, read_addresses
        from soundlift.common.broker.rabbitmq.topology import Topology

        files = TlsFiles(settings.broker_ca_file, settings.broker_cert_file, settings.broker_key_file)
        topology = Topology(routes_of(settings), DELAYS, settings.queue_type)
        addresses = read_addresses(settings.broker_url, files)
        return RabbitMqBroker(addresses, topology, prefetch=settings.connector_concurrency)
    if scheme in SINKS:
        raise SettingError(
            "Setting BROKER_URL is a sink: events go there, and none come from it.", setting="BROKER_URL"
        )
    allowed = "sqlite:///FILE, amqp://…, amqps://…, or http(s)://… for a sink"
    raise SettingError(f"Setting BROKER_URL must be {allowed}.", setting="BROKER_URL")
