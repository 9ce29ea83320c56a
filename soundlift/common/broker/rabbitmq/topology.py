"""The exchanges and queues, and their declaration.

    soundlift.events ─(event type)─▶ QUEUE, one per subscriber ─▶ connector
                                       ▲     └─(rejected by us, or given up by RabbitMQ)─▶ QUEUE.dead
    soundlift.delay.5s ─▶ soundlift.delay.5s ─(after 5 s)

A delay queue has one lifetime for all its messages: a long delay at its head would hold up shorter ones behind it.
Delay queues are shared by all queues: a message enters through an exchange of the same name, with its original queue
as the routing key, which routes it through the default exchange back to that queue only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from soundlift.common.broker.routes import Routes, all_queues

EVENTS = "soundlift.events"
DEFAULT_EXCHANGE = ""
# The default of RabbitMQ 4 (https://www.rabbitmq.com/docs/quorum-queues), which is set explicitly for older versions.
DELIVERY_LIMIT = 20
NO_DELIVERY_LIMIT = 2**31 - 1  # reading dead letters counts as delivering them


@dataclass(frozen=True)
class Topology:
    """The exchanges and queues to declare, from the queues of each event type, delays in seconds, and a queue type."""

    routes: Routes
    delays: Sequence[float]
    queue_type: str

    @property
    def queues(self) -> Sequence[str]:
        """Return the queues that functions subscribe to."""
        return all_queues(self.routes)

    def delay_for(self, seconds: float) -> str:
        """Return the exchange of the shortest delay that is long enough, or of the longest delay."""
        return delay_name(next((delay for delay in sorted(self.delays) if delay >= seconds), max(self.delays)))

    def declare(self, channel: Any) -> None:
        """Declare everything on a channel, blocking or not.

        RabbitMQ closes the channel if a queue or exchange exists with other properties.
        """
        channel.exchange_declare(EVENTS, exchange_type="topic", durable=True)
        for queue in self.queues:
            channel.queue_declare(queue, durable=True, arguments=self._work_arguments(queue))
            channel.queue_declare(dead_name(queue), durable=True, arguments=self._dead_arguments())
        for event_type, queues in self.routes.items():
            for queue in queues:
                channel.queue_bind(queue, EVENTS, routing_key=event_type)
        for delay in self.delays:
            name = delay_name(delay)
            channel.exchange_declare(name, exchange_type="fanout", durable=True)
            channel.queue_declare(name, durable=True, arguments=self._delay_arguments(delay))
            channel.queue_bind(name, name, routing_key="")

    def _work_arguments(self, queue: str) -> dict[str, Any]:
        """Return no arguments for a classic queue, which is how other programs declare the same queue."""
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
    """Return the arguments for at-least-once dead-lettering: a message is kept until its target has confirmed it."""
    arguments = {
        "x-dead-letter-exchange": DEFAULT_EXCHANGE,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    return {**arguments, "x-dead-letter-routing-key": routing_key} if routing_key else arguments
