"""Spans of the deliveries and publications of events (OpenTelemetry's messaging conventions)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import Delivery, Publisher
from soundlift.common.events import traceparent_from
from soundlift.common.tracing.spans import Kind, Span, Value, span, span_in_trace

PLAIN = re.compile(r"[A-Za-z0-9._:/-]{1,128}")  # no address of a person, whoever sent the event
SYSTEMS = {"amqp": "rabbitmq", "amqps": "rabbitmq", "sqlite": "sqlite"}


@contextmanager
def delivery_span(delivery: Delivery, event: CloudEvent, system: str) -> Iterator[Span]:
    """Record the block as the processing of a message, in the trace of its event, and linked to that."""
    own = traceparent_from(event)
    attributes = {
        "messaging.system": system,
        "messaging.destination.name": delivery.queue,
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "soundlift.attempt": delivery.attempt,
        **event_attributes(event),
    }
    with span_in_trace(f"process {delivery.queue}", Kind.CONSUMER, own, attributes, links=[own]) as step:
        yield step


def event_attributes(event: CloudEvent) -> Mapping[str, Value]:
    """Return the attributes that describe an event."""
    texts = {
        "cloudevents.event_id": event.get_id(),
        "cloudevents.event_type": event.get_type(),
        "cloudevents.event_source": event.get_source(),
    }
    return {name: text for name, text in texts.items() if isinstance(text, str) and PLAIN.fullmatch(text)}


def messaging_system(broker_url: str) -> str:
    """Return the name of the broker at a URL, or of the protocol of a sink."""
    return SYSTEMS.get(broker_url.partition("://")[0], "http")


class TracedPublisher:
    """A publisher that records each publication."""

    def __init__(self, publisher: Publisher, system: str) -> None:
        self._publisher = publisher
        self._system = system

    def publish(self, event: CloudEvent) -> None:  # noqa: D102 - documented at the port
        attributes = {
            "messaging.system": self._system,
            "messaging.destination.name": event.get_type(),
            "messaging.operation.type": "send",
            "messaging.operation.name": "publish",
            **event_attributes(event),
        }
        # The event of a retry, or one that cleanup sends again, belongs to another trace.
        with span(f"publish {event.get_type()}", Kind.PRODUCER, attributes, links=[traceparent_from(event)]):
            self._publisher.publish(event)

    def check(self) -> None:  # noqa: D102 - documented at the port
        self._publisher.check()
