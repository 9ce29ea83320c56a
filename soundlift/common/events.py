"""The event types, and events as HTTP requests and as messages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import http, rabbitmq
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.errors import BadEvent, NoEvent
from soundlift.common.jobs.model import Job, State
from soundlift.common.json_text import check_text, read_json
from soundlift.common.webhooks.model import DueDelivery

VIDEO_UPLOADED = "dev.soundlift.video.uploaded"
MP3_READY = "dev.soundlift.mp3.ready"
CONVERSION_FAILED = "dev.soundlift.conversion.failed"
IMPORT_REQUESTED = "dev.soundlift.import.requested"
LINK_REQUESTED = "dev.soundlift.link.requested"
DELIVERY_DUE = "dev.soundlift.delivery.due"
WEBHOOK_FAILING = "dev.soundlift.webhook.failing"

SOURCE = "/soundlift"
STRUCTURED = "application/cloudevents+json"
JSON = "application/json"
ANY_STRUCTURED = "application/cloudevents"
# Header prefixes: those of the CloudEvents AMQP binding (section 3.1.3.1), and the HTTP binding's, also used with AMQP.
PREFIXES = ("cloudevents:", "cloudevents_", "ce-")
MAX_NAME_LENGTH = 20  # as CloudEvents 1.0.2, section 3.1, recommends; an AMQP header name has at most 255 bytes
ATTRIBUTE = re.compile("[a-z0-9]+")  # CloudEvents 1.0.2, section 3.1
REQUIRED = ("specversion", "id", "source", "type")  # CloudEvents 1.0.2, section 3.1.1

_event_type_by_state = {
    State.IMPORTING: IMPORT_REQUESTED,
    State.QUEUED: VIDEO_UPLOADED,
    State.CONVERTING: VIDEO_UPLOADED,
    State.READY: MP3_READY,
    State.FAILED: CONVERSION_FAILED,
}


@dataclass(frozen=True)
class Message:
    """An event as a broker stores it."""

    body: bytes
    content_type: str = STRUCTURED
    headers: Mapping[str, Any] = field(default_factory=dict)


def event_for(job: Job) -> CloudEvent:
    """Return the event for the next step of a job.

    Its id is the same each time, so that a consumer can recognize a repeat.
    """
    event_type = _event_type_by_state[job.state]
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id(job.id, event_type, retries=job.retries),
        "source": SOURCE,
        "type": event_type,
        "subject": job.id,
        "time": datetime.fromtimestamp(job.changed_at, UTC),
        "datacontenttype": JSON,
    }
    if job.traceparent:
        attributes["traceparent"] = job.traceparent
    data = {"job_id": job.id, "video_fid": job.video_fid, "mp3_fid": job.mp3_fid, "username": job.username}
    return CloudEvent(attributes, data)


def event_id(job_id: str, event_type: str, *, retries: int = 0) -> str:
    """Return the id of a job's event: the job's id, the number of its retries, and the last part of the event type."""
    return f"{job_id}.{f'{retries}.' if retries else ''}{event_type.rpartition('.')[2]}"


def link_event(link_id: str, *, requested_at: float) -> CloudEvent:
    """Return the event for the email of a password link. It names nobody, and contains no token."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id(link_id, LINK_REQUESTED),
        "source": SOURCE,
        "type": LINK_REQUESTED,
        "time": datetime.fromtimestamp(requested_at, UTC),
        "datacontenttype": JSON,
    }
    return CloudEvent(attributes, {"link_id": link_id})


def delivery_event(delivery: DueDelivery) -> CloudEvent:
    """Return the event for the next attempt at the delivery of a webhook, in the trace of its job, if it has one."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id(delivery.id, DELIVERY_DUE, retries=delivery.attempts),
        "source": SOURCE,
        "type": DELIVERY_DUE,
        "time": datetime.fromtimestamp(delivery.due_at, UTC),
        "datacontenttype": JSON,
    }
    if delivery.job:
        attributes["subject"] = delivery.job
    if delivery.traceparent:
        attributes["traceparent"] = delivery.traceparent
    return CloudEvent(attributes, {"delivery_id": delivery.id})


def webhook_failing_event(webhook_id: str, *, failing_since: float) -> CloudEvent:
    """Return the event for the mail to the owner of a webhook that has begun to fail."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{event_id(webhook_id, WEBHOOK_FAILING)}.{round(failing_since)}",
        "source": SOURCE,
        "type": WEBHOOK_FAILING,
        "time": datetime.fromtimestamp(failing_since, UTC),
        "datacontenttype": JSON,
    }
    return CloudEvent(attributes, {"webhook_id": webhook_id})


def job_id_from(event: CloudEvent) -> str:
    """Return the job id, the only part of an event that a handler uses; raises BadEvent if it is missing."""
    return _id_from(event, "job_id")


def link_id_from(event: CloudEvent) -> str:
    """Return the id of a password link, the only part of its event that a handler uses; raises BadEvent."""
    return _id_from(event, "link_id")


def delivery_id_from(event: CloudEvent) -> str:
    """Return the id of a delivery, the only part of its event that a handler uses; raises BadEvent."""
    return _id_from(event, "delivery_id")


def webhook_id_from(event: CloudEvent) -> str:
    """Return the id of a webhook, the only part of its event that a handler uses; raises BadEvent."""
    return _id_from(event, "webhook_id")


def _id_from(event: CloudEvent, name: str) -> str:
    data = event.get_data()
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, str):
        raise BadEvent(f"The event's data must be a JSON object with a {name}.")
    return value


def traceparent_from(event: CloudEvent) -> str | None:
    """Return the trace context that an event carries (CloudEvents distributed tracing extension)."""
    value = event.get_extension("traceparent")
    return value if isinstance(value, str) else None


def to_http(event: CloudEvent) -> tuple[dict[str, str], bytes]:
    """Return the headers and body of an event in structured mode (CloudEvents HTTP binding, section 3.2).

    The attributes are not repeated in headers, though section 3.2.3 allows that: readers that look for ce- headers
    first, such as the CloudEvents library for Python, would mistake the entire event for its data.
    """
    message = http.to_structured_event(event)
    return message.headers, message.body


def from_http(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    """Return the event of an HTTP request or reply in structured or binary mode; raises BadEvent."""
    lowered = {name.lower(): value for name, value in headers.items()}
    attributes = {name[3:]: unquote(value) for name, value in lowered.items() if name.startswith("ce-")}
    return _read(lowered.get("content-type", ""), attributes, body)


def to_message(event: CloudEvent) -> Message:
    """Return an event in structured mode (CloudEvents AMQP binding, section 3.2).

    Its attributes are repeated in headers (section 3.2.3) for programs that route or filter by them. The content type
    shows that the body is the entire event.
    """
    headers = rabbitmq.to_binary(event, JSONFormat()).headers
    short = {name: value for name, value in headers.items() if len(name) <= len("ce-") + MAX_NAME_LENGTH}
    return Message(rabbitmq.to_structured(event, JSONFormat()).body, STRUCTURED, short)


def from_message(message: Message) -> CloudEvent:
    """Return the event of a message in structured or binary mode; raises BadEvent, or NoEvent.

    In binary mode the attributes are headers with one of the known prefixes, or without a prefix, as Knative's broker
    for RabbitMQ writes them.
    """
    return _read(message.content_type, _attributes_in(message.headers), message.body)


def _attributes_in(headers: Mapping[str, Any]) -> dict[str, str]:
    texts = {name.lower(): _text(value) for name, value in headers.items() if value not in (None, "")}
    for prefix in PREFIXES:
        found = {name.removeprefix(prefix): text for name, text in texts.items() if name.startswith(prefix)}
        if found:
            return found
    return {name: text for name, text in texts.items() if ATTRIBUTE.fullmatch(name)} if "specversion" in texts else {}


def _text(value: Any) -> str:
    """Return an AMQP value in the string form of its CloudEvents type (CloudEvents 1.0.2, section 3.1)."""
    match value:
        case bytes():
            return value.decode(errors="replace")
        case bool():
            return str(value).lower()
        case datetime():
            return value.replace(tzinfo=value.tzinfo or UTC).isoformat()
        case _:
            return str(value)


def _read(content_type: str, attributes: Mapping[str, Any], body: bytes) -> CloudEvent:
    """Return an event; if the content type is that of a structured event, ignore attributes in headers."""
    media_type, separator, parameters = content_type.partition(";")
    media_type = media_type.strip().lower()
    try:
        if media_type.startswith(ANY_STRUCTURED):
            attributes, parsed = _read_structured(media_type, body)
        elif attributes:
            headers = {f"ce-{name}": value for name, value in attributes.items()}
            # CloudEvents 1.0.2, section 3.1.2: data without a content type is JSON. Knative's source omits it.
            message = rabbitmq.RabbitMQMessage(headers, f"{media_type}{separator}{parameters}" or JSON, body)
            parsed = rabbitmq.from_binary_event(message)
        else:
            raise NoEvent(f"Send a CloudEvent: {STRUCTURED}, or headers that begin with ce-.")
        check_text([parsed.get_attributes(), parsed.get_data()])
    except (BaseCloudEventException, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadEvent("The body is not a CloudEvent.", cause=str(error)) from None
    missing = [name for name in REQUIRED if not attributes.get(name)]
    if missing or not isinstance(parsed, CloudEvent):
        raise BadEvent(f"The CloudEvent must be of version 1.0; missing: {', '.join(missing) or 'nothing'}.")
    return parsed


def _read_structured(media_type: str, body: bytes) -> tuple[Mapping[str, Any], BaseCloudEvent]:
    """Return the members of a JSON event, and the event; a null member counts as absent (JSON format, section 2.2)."""
    if media_type != STRUCTURED:
        raise BadEvent(f"Send a single CloudEvent as {STRUCTURED}; {media_type} is not supported.")
    members = read_json(body)
    if None in members.values():
        members = {name: value for name, value in members.items() if value is not None}
        body = json.dumps(members, allow_nan=False).encode()
    return members, http.from_structured_event(http.HTTPMessage({}, body))
