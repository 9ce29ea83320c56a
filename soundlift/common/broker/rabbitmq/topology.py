"""Names and declares the exchanges and queues, the same ones each time.

    soundlift.events ─(event type)─▶ QUEUE ─▶ connector        QUEUE.dead: for people to look at
                                       ▲                          ▲
    soundlift.delay.5s ─▶ soundlift.delay.5s ─(after 5 s)─┘       └─ what the broker itself gives up on

A delay queue has one lifetime for all its messages, or a long one at its head would hold up the short ones behind.
They are shared: a message enters through an exchange of the same name, which keeps the queue it came from as its
routing key, and by that key it goes back through the default exchange.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EVENTS = "soundlift.events"
DEFAULT_EXCHANGE = ""
# RabbitMQ 4 gives up on a message after 20 deliveries unless it is told otherwise; we say it for all versions.
DELIVERY_LIMIT = 20
NO_DELIVERY_LIMIT = 2**31 - 1  # looking at dead letters counts as delivering them


@dataclass(frozen=True)
class Topology:
    """Holds what is declared: the queue of each event type, the delays in seconds, and quorum or classic queues."""

    routes: Mapping[str, str]
    delays: Sequence[float]
    queue_type: str

    @property
    def queues(self) -> Sequence[str]:
        """Return the queues that functions subscribe to."""
        return sorted(set(self.routes.values()))

    def delay_for(self, seconds: float) -> str:
        """Return the delay exchange that holds a message for so long, or the longest there is."""
        return delay_name(next((delay for delay in sorted(self.delays) if delay >= seconds), max(self.delays)))

    def declare(self, channel: Any) -> None:
        """Declare everything on a channel, blocking or not; a clash with what is there closes the channel."""
        channel.exchange_declare(EVENTS, exchange_type="topic", durable=True)
        for queue in self.queues:
            channel.queue_declare(queue, durable=True, arguments=self._work_arguments(queue))
            channel.queue_declare(dead_name(queue), durable=True, arguments=self._dead_arguments())
        for event_type, queue in self.routes.items():
            channel.queue_bind(queue, EVENTS, routing_key=event_type)
        for delay in self.delays:
            name = delay_name(delay)
            channel.exchange_declare(name, exchange_type="fanout", durable=True)
            channel.queue_declare(name, durable=True, arguments=self._delay_arguments(delay))
            channel.queue_bind(name, name, routing_key="")

    def _work_arguments(self, queue: str) -> dict[str, Any]:
        """Return nothing for a classic queue: other programs declare theirs so, and the two must not clash."""
        if self.queue_type == "classic":
            return {}
        return {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            **_dead_lettering(dead_name(queue)),
        }

    def _dead_arguments(self) -> dict[str, Any]:
        if self.queue_type == "classic":
            return {}
        return {"x-queue-type": "quorum", "x-delivery-limit": NO_DELIVERY_LIMIT}

    def _delay_arguments(self, delay: float) -> dict[str, Any]:
        lifetime = {"x-message-ttl": round(delay * 1000)}
        if self.queue_type == "classic":
            return {**lifetime, "x-dead-letter-exchange": DEFAULT_EXCHANGE}
        return {"x-queue-type": "quorum", **lifetime, **_dead_lettering(None)}


def delay_name(seconds: float) -> str:
    """Return the name of a delay's exchange and queue."""
    return f"soundlift.delay.{seconds:g}s"


def dead_name(queue: str) -> str:
    """Return the name of a queue's dead-letter queue."""
    return f"{queue}.dead"


def _dead_lettering(routing_key: str | None) -> dict[str, Any]:
    """Return how a quorum queue passes a message on: confirmed, or else kept (at-least-once)."""
    arguments = {
        "x-dead-letter-exchange": DEFAULT_EXCHANGE,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    return {**arguments, "x-dead-letter-routing-key": routing_key} if routing_key else arguments
