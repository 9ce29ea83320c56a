"""Events for the connector's tests."""

from __future__ import annotations

from cloudevents.core.v1.event import CloudEvent

from soundlift.common.events import VIDEO_UPLOADED

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def event(job_id: str = "job-1", event_type: str = VIDEO_UPLOADED) -> CloudEvent:
    attributes = {
        "specversion": "1.0",
        "id": f"{job_id}.{event_type}",
        "source": "/test",
        "type": event_type,
        "subject": job_id,
        "datacontenttype": "application/json",
        "traceparent": TRACEPARENT,
    }
    return CloudEvent(attributes, {"job_id": job_id})
