"""Turns AMQP messages into ours and back, with what is counted and known of them in their headers."""

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

OURS = "soundlift-"
ATTEMPTS = OURS + "attempts"
LETTER_ID = OURS + "letter-id"
LONGEST_SHORT_STRING = 255  # bytes; AMQP 0-9-1, section 4.2.5.3
DEATHS = "x-death"
DELIVERY_COUNT = "x-delivery-count"


@dataclass(frozen=True)
class Parcel:
    """Is one message with where it goes."""

    exchange: str
    routing_key: str
    body: bytes
    properties: pika.BasicProperties


def parcel_of(event: CloudEvent) -> Parcel:
    """Return an event on its way to the queue of its type; the message id is the event's, if it is short enough."""
    message = to_message(event)
    message_id = event.get_id() if len(event.get_id().encode()) <= LONGEST_SHORT_STRING else None
    properties = _properties(message.content_type, dict(message.headers), message_id)
    return Parcel(EVENTS, event.get_type(), message.body, properties)


def delivery_of(queue: str, method: Any, properties: pika.BasicProperties, body: bytes, tag: Any) -> Delivery:
    """Return a message that arrived, with how often it has: by us, and by RabbitMQ on its own account."""
    headers = properties.headers or {}
    redelivered = headers.get(DELIVERY_COUNT, int(method.redelivered))
    return Delivery(queue, message_of(properties, body), int(headers.get(ATTEMPTS, 0)) + redelivered + 1, tag)


def message_of(properties: pika.BasicProperties, body: bytes) -> Message:
    """Return a message as its publisher sent it."""
    return Message(body, properties.content_type or "", _original_headers(properties))


def again(delivery: Delivery, exchange: str) -> Parcel:
    """Return a delivered message on its way back to its queue, through a delay exchange or directly."""
    return _resent(
        delivery.tag.properties, delivery.message.body, exchange, delivery.queue, {ATTEMPTS: delivery.attempt}
    )


def dead(delivery: Delivery, reason: Mapping[str, Any]) -> Parcel:
    """Return a delivered message on its way to the dead letters, with the reason in its headers."""
    told = {OURS + name: value for name, value in reason.items()}
    headers = {**told, LETTER_ID: secrets.token_hex(4)}
    return _resent(delivery.tag.properties, delivery.message.body, DEFAULT_EXCHANGE, dead_name(delivery.queue), headers)


def as_new(queue: str, properties: pika.BasicProperties, body: bytes) -> Parcel:
    """Return a dead letter on its way back to its queue, with nothing that counts against it."""
    return _resent(properties, body, DEFAULT_EXCHANGE, queue, {})


def dead_letter_of(queue: str, properties: pika.BasicProperties, body: bytes) -> DeadLetter:
    """Return a message of a dead-letter queue."""
    headers = properties.headers or {}
    reason = {name.removeprefix(OURS): value for name, value in headers.items() if name.startswith(OURS)}
    letter_id = reason.pop(LETTER_ID.removeprefix(OURS), None) or _id_of_foreign(properties, body)
    if LETTER_ID not in headers:
        reason = {"detail": f"RabbitMQ gave up on it: {_cause_of_death(headers)}.", **reason}
    return DeadLetter(letter_id, queue, message_of(properties, body), reason)


def _resent(
    properties: pika.BasicProperties, body: bytes, exchange: str, routing_key: str, headers: Mapping[str, Any]
) -> Parcel:
    kept = {**_original_headers(properties), **headers}
    return Parcel(exchange, routing_key, body, _properties(properties.content_type, kept, properties.message_id))


def _properties(content_type: str | None, headers: dict[str, Any], message_id: str | None) -> pika.BasicProperties:
    return pika.BasicProperties(
        content_type=content_type,
        headers=headers,
        message_id=message_id,
        delivery_mode=pika.DeliveryMode.Persistent.value,
    )


def _original_headers(properties: pika.BasicProperties) -> dict[str, Any]:
    """Return the headers that are neither ours nor RabbitMQ's (x-death and its like)."""
    headers = properties.headers or {}
    return {name: value for name, value in headers.items() if not name.startswith((OURS, "x-"))}


def _id_of_foreign(properties: pika.BasicProperties, body: bytes) -> str:
    return hashlib.sha256(f"{properties.message_id}".encode() + body).hexdigest()[:8]


def _cause_of_death(headers: Mapping[str, Any]) -> str:
    deaths = headers.get(DEATHS) or [{}]
    return str(deaths[0].get("reason", "unknown"))
