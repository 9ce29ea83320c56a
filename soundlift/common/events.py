"""Names the events of the flow, and turns them into HTTP requests, messages, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cloudevents.core.bindings import http, rabbitmq
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.errors import BadEvent
from soundlift.common.job_row import Job, State

VIDEO_UPLOADED = "dev.soundlift.video.uploaded"
MP3_READY = "dev.soundlift.mp3.ready"
CONVERSION_FAILED = "dev.soundlift.conversion.failed"

SOURCE = "/soundlift"
STRUCTURED = "application/cloudevents+json"
REQUIRED = ("specversion", "id", "source", "type")  # CloudEvents 1.0.2, section 3.1.1

_event_of_state = {
    State.QUEUED: VIDEO_UPLOADED,
    State.CONVERTING: VIDEO_UPLOADED,
    State.READY: MP3_READY,
    State.FAILED: CONVERSION_FAILED,
}


@dataclass(frozen=True)
class Message:
    """Is an event as a broker carries it."""

    body: bytes
    content_type: str = STRUCTURED
    headers: Mapping[str, str] = field(default_factory=dict)


def event_of(job: Job) -> CloudEvent:
    """Return the event that moves a job on from where it is.

    Its id is the same each time, so that a reader can tell a repeat.
    """
    event_type = _event_of_state[job.state]
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{job.id}.{event_type.rpartition('.')[2]}",
        "source": SOURCE,
        "type": event_type,
        "subject": job.id,
        "time": datetime.fromtimestamp(job.changed_at, UTC),
        "datacontenttype": "application/json",
    }
    if job.traceparent:
        attributes["traceparent"] = job.traceparent
    data = {"job_id": job.id, "video_fid": job.video_fid, "mp3_fid": job.mp3_fid, "username": job.username}
    return CloudEvent(attributes, data)


def job_id_of(event: CloudEvent) -> str:
    """Return the one thing that a handler takes from an event; raises BadEvent where it is not there."""
    data = event.get_data()
    job_id = data.get("job_id") if isinstance(data, dict) else None
    if not isinstance(job_id, str):
        raise BadEvent("The event's data must be a JSON object with a job_id.")
    return job_id


def traceparent_of(event: CloudEvent) -> str | None:
    """Return the trace context that an event carries (CloudEvents distributed tracing extension)."""
    value = event.get_extension("traceparent")
    return value if isinstance(value, str) else None


def to_http(event: CloudEvent) -> tuple[dict[str, str], bytes]:
    """Return the headers and body of an event in structured mode (CloudEvents HTTP binding, section 3.2)."""
    message = http.to_structured_event(event)
    return message.headers, message.body


def from_http(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    """Return the event of an HTTP request or reply in structured or binary mode; raises BadEvent."""
    lowered = {name.lower(): value for name, value in headers.items()}
    return _read(lowered.get("content-type", ""), lowered, body)


def to_message(event: CloudEvent) -> Message:
    """Return an event in structured mode (CloudEvents AMQP binding, section 3.2)."""
    message = rabbitmq.to_structured(event, JSONFormat())
    return Message(body=message.body, content_type=STRUCTURED)


def from_message(message: Message) -> CloudEvent:
    """Return the event of a message in structured or binary mode; raises BadEvent."""
    lowered = {name.lower(): value for name, value in message.headers.items()}
    return _read(message.content_type, lowered, message.body)


def _read(content_type: str, headers: Mapping[str, str], body: bytes) -> CloudEvent:
    media_type = content_type.partition(";")[0].strip().lower()
    attributes = {name.removeprefix("ce-"): value for name, value in headers.items() if name.startswith("ce-")}
    try:
        if media_type == STRUCTURED:
            attributes = json.loads(body)
            parsed = http.from_structured_event(http.HTTPMessage({}, body))
        elif attributes:
            parsed = http.from_binary_event(http.HTTPMessage(dict(headers), body))
        else:
            raise BadEvent(f"Send a CloudEvent: {STRUCTURED}, or headers that begin with ce-.")
    except (BaseCloudEventException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadEvent("The body is not a CloudEvent.", cause=str(error)) from None
    missing = [name for name in REQUIRED if not attributes.get(name)]
    if missing or not isinstance(parsed, CloudEvent):
        raise BadEvent(f"The CloudEvent must be of version 1.0; missing: {', '.join(missing) or 'nothing'}.")
    return parsed
