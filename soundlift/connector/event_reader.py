"""Reads messages as events: CloudEvents, and bare messages of other programs where those are accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import Delivery
from soundlift.common.errors import BadEvent, NoEvent
from soundlift.common.events import SOURCE, VIDEO_UPLOADED, event_id, from_message, traceparent_from
from soundlift.common.json_text import read_json
from soundlift.common.logging import trace_of

HOW_TO_ACCEPT = "This is not a CloudEvent but a bare message; set ACCEPT_BARE_MESSAGES=true to make a job from it."


@dataclass(frozen=True)
class EventReader:
    """A reader of deliveries that knows which queue may hold bare messages, and whether to accept them."""

    video_queue: str
    accepts_bare: bool

    def read(self, delivery: Delivery) -> CloudEvent:
        """Return the event of a delivery; raises BadEvent."""
        try:
            return from_message(delivery.message)
        except NoEvent:
            data = _bare_data(delivery.message.body) if delivery.queue == self.video_queue else None
            if data is None:
                raise
            if not self.accepts_bare:
                raise BadEvent(HOW_TO_ACCEPT) from None
            return _event_from_bare(data)


def job_fields(delivery: Delivery) -> dict[str, str]:
    """Return the job that a delivery is about, and the trace of its upload, for a log line; none if unreadable."""
    try:
        event = from_message(delivery.message)
    except BadEvent:
        return {}
    job_id = event.get_subject()
    return {**({"job_id": job_id} if job_id else {}), **trace_of(traceparent_from(event))}


def _bare_data(body: bytes) -> dict[str, Any] | None:
    """Return the content of a bare message, a JSON object that names a video; None if the body is not one."""
    try:
        data = read_json(body)
    except ValueError:
        return None
    return data if isinstance(data, dict) and isinstance(data.get("video_fid"), str) else None


def _event_from_bare(data: dict[str, Any]) -> CloudEvent:
    """Return the event of a bare message, with the id that the event of its job will have."""
    attributes = {
        "specversion": "1.0",
        "id": event_id(data["video_fid"], VIDEO_UPLOADED),
        "source": SOURCE,
        "type": VIDEO_UPLOADED,
        "datacontenttype": "application/json",
    }
    return CloudEvent(attributes, data)
