"""Reads messages as events: CloudEvents, and the bare messages of other programs where they are accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import Delivery
from soundlift.common.errors import BadEvent, NoEvent
from soundlift.common.events import SOURCE, VIDEO_UPLOADED, event_id, from_message
from soundlift.common.web.json_text import read_json

HOW_TO_ACCEPT = "This is no CloudEvent but a bare message; with ACCEPT_BARE_MESSAGES=true it would make a job."


@dataclass(frozen=True)
class Reader:
    """Knows in which queue bare messages may lie, and whether they are accepted."""

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
            return _event_of_bare(data)


def _bare_data(body: bytes) -> dict[str, Any] | None:
    """Return what a bare message says, if the body is one: a JSON object that names a video."""
    try:
        data = read_json(body)
    except ValueError:
        return None
    return data if isinstance(data, dict) and isinstance(data.get("video_fid"), str) else None


def _event_of_bare(data: dict[str, Any]) -> CloudEvent:
    """Return the event that says so, with the id that the event of its job will have."""
    attributes = {
        "specversion": "1.0",
        "id": event_id(data["video_fid"], VIDEO_UPLOADED),
        "source": SOURCE,
        "type": VIDEO_UPLOADED,
        "datacontenttype": "application/json",
    }
    return CloudEvent(attributes, data)
