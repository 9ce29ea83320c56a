"""The span of a request with an event; apart from events.py, so that the connector does not load Flask."""

from __future__ import annotations

from cloudevents.core.v1.event import CloudEvent
from flask import g

from soundlift.common.events import traceparent_from
from soundlift.common.logging import TRACEPARENT
from soundlift.common.tracing.events import event_attributes
from soundlift.common.tracing.requests import begin_request_span


def begin_event_span(function: str, traceparent: str | None, event: CloudEvent) -> None:
    """Begin the span of a request with an event, in the trace of the event, and linked to that.

    The parent is the delivery that made the request, whose context is `traceparent`, if it is of the same trace.
    Otherwise a platform between the broker and the function has traced the delivery, and that is linked, too.
    """
    if "span_began" not in g:
        return
    own = traceparent_from(event)
    if own is None or not TRACEPARENT.fullmatch(own):
        begun = begin_request_span(function, traceparent)
    elif traceparent is not None and traceparent.split("-")[1:2] == own.split("-")[1:2]:
        begun = begin_request_span(function, traceparent, [own])
    else:
        begun = begin_request_span(function, own, [own, traceparent])
    for name, value in event_attributes(event).items():
        begun.set(name, value)
