"""Events for the contract suite, and what is received of them."""

from __future__ import annotations

from collections.abc import Collection

from cloudevents.core.v1.event import CloudEvent

from devservers.waiting import DEADLINE_SECONDS
from soundlift.common.broker import Broker, Delivery
from soundlift.common.events import VIDEO_UPLOADED, from_message

QUEUES = ("video", "mp3")
VIDEO = ("video",)
REASON = {"function": "convert", "status": 422, "detail": "no", "attempts": 3, "at": "2026-01-01T00:00:00+00:00"}


def event(number: int = 1, event_type: str = VIDEO_UPLOADED) -> CloudEvent:
    attributes = {"specversion": "1.0", "id": str(number), "source": "/test", "type": event_type}
    return CloudEvent({**attributes, "datacontenttype": "application/json"}, {"job_id": str(number)})


def receive(broker: Broker, queues: Collection[str] = QUEUES, timeout: float = DEADLINE_SECONDS) -> Delivery:
    delivery = broker.receive(queues, timeout)
    assert delivery is not None
    return delivery


def id_of(delivery: Delivery) -> str:
    return from_message(delivery.message).get_id()
