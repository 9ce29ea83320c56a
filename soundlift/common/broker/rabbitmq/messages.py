"""Converts between AMQP messages and those of the broker port, with attempts and reasons in AMQP headers."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pika
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import DeadLetter, Delivery
from soundlift.common.broker.rabbitmq.topology import DEFAULT_EXCHANGE, EVENTS, dead_name
from soundlift.common.events import Message, to_message

PREFIX = "soundlift-"
ATTEMPTS = PREFIX + "attempts"
LETTER_ID = PREFIX + "letter-id"
MAX_SHORT_STRING = 255  # bytes; AMQP 0-9-1, section 4.2.5.3
DEATHS = "x-death"
DELIVERY_COUNT = "x-delivery-count"


@dataclass(frozen=True)
class OutgoingMessage:
    """A message with its exchange and routing key."""

    exchange: str
    routing_key: str
    body: bytes
    properties: pika.BasicProperties


def message_for_event(event: CloudEvent) -> OutgoingMessage:
    """Return an event as a message to the queues of its type; its message id is the event's, if short enough."""
    message = to_message(event)
    message_id = event.get_id() if len(event.get_id().encode()) <= MAX_SHORT_STRING else None
    properties = _properties(message.content_type, dict(message.headers), message_id)
    return OutgoingMessage(EVENTS, event.get_type(), message.body, properties)


def read_delivery(queue: str, method: Any, properties: pika.BasicProperties, body: bytes, tag: Any) -> Delivery:
    """Return a received message; its attempts are those that we count plus the redeliveries that RabbitMQ counts."""
    headers = properties.headers or {}
    redelivered = headers.get(DELIVERY_COUNT, int(method.redelivered))
    return Delivery(queue, read_message(properties, body), int(headers.get(ATTEMPTS, 0)) + redelivered + 1, tag)


def read_message(properties: pika.BasicProperties, body: bytes) -> Message:
    """Return a message without the headers that were added since its publisher sent it."""
    return Message(body, properties.content_type or "", _original_headers(properties))


def message_for_retry(delivery: Delivery, exchange: str) -> OutgoingMessage:
    """Return a delivered message addressed to its queue, through a delay exchange or the default one."""
    return _readdressed(
        delivery.tag.properties, delivery.message.body, exchange, delivery.queue, {ATTEMPTS: delivery.attempt}
    )


def message_for_rejection(delivery: Delivery, reason: Mapping[str, Any]) -> OutgoingMessage:
    """Return a delivered message addressed to its dead-letter queue, with the reason in its headers."""
    headers = {**{PREFIX + name: value for name, value in reason.items()}, LETTER_ID: secrets.token_hex(4)}
    return _readdressed(
        delivery.tag.properties, delivery.message.body, DEFAULT_EXCHANGE, dead_name(delivery.queue), headers
    )


def message_for_replay(queue: str, properties: pika.BasicProperties, body: bytes) -> OutgoingMessage:
    """Return a dead letter addressed to the queue it came from, without attempts and reason."""
    return _readdressed(properties, body, DEFAULT_EXCHANGE, queue, {})


def read_dead_letter(queue: str, properties: pika.BasicProperties, body: bytes) -> DeadLetter:
    """Return a message of a dead-letter queue, whether we rejected it or RabbitMQ did."""
    headers = properties.headers or {}
    reason = {name.removeprefix(PREFIX): value for name, value in headers.items() if name.startswith(PREFIX)}
    letter_id = reason.pop(LETTER_ID.removeprefix(PREFIX), None) or _id_from_content(queue, properties, body)
    if LETTER_ID not in headers:
        reason = {"detail": f"RabbitMQ gave up on the message: {_cause_of_death(headers)}.", **reason}
    return DeadLetter(letter_id, queue, read_message(properties, body), reason)


def _readdressed(
    properties: pika.BasicProperties, body: bytes, exchange: str, routing_key: str, headers: Mapping[str, Any]
) -> OutgoingMessage:
    kept = {**_original_headers(properties), **headers}
    return OutgoingMessage(
        exchange, routing_key, body, _properties(properties.content_type, kept, properties.message_id)
    )


def _properties(content_type: str | None, headers: dict[str, Any], message_id: str | None) -> pika.BasicProperties:
    return pika.BasicProperties(
        content_type=content_type,
        headers=headers,
        message_id=message_id,
        delivery_mode=pika.DeliveryMode.Persistent.value,
    )


def _original_headers(properties: pika.BasicProperties) -> dict[str, Any]:
    """Return the headers that neither we nor RabbitMQ added (such as x-death)."""
    headers = properties.headers or {}
    return {name: value for name, value in headers.items() if not name.startswith((PREFIX, "x-"))}


def _id_from_content(queue: str, properties: pika.BasicProperties, body: bytes) -> str:
    """Return an id for a message that we did not reject; each subscriber's copy of an event has its own."""
    return hashlib.sha256(f"{queue} {properties.message_id} ".encode() + body).hexdigest()[:8]


def _cause_of_death(headers: Mapping[str, Any]) -> str:
    deaths = headers.get(DEATHS) or [{}]
    return str(deaths[0].get("reason", "unknown"))
