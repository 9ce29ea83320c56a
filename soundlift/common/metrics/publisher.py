"""The publishing side of a broker, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundlift.common.broker import Publisher
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.metrics.metrics import Metrics

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent

PUBLISHED, FAILED = "published", "failed"


class MeasuredPublisher:
    """A publisher whose events are counted by type and outcome; both series exist from the first event on."""

    def __init__(self, publisher: Publisher, metrics: Metrics) -> None:
        self._publisher = publisher
        self._events = metrics.events
        self.check = publisher.check

    def publish(self, event: CloudEvent) -> None:
        """Publish an event, and count it."""
        kind = event.get_type()
        published, failed = (self._events.labels(kind, outcome) for outcome in (PUBLISHED, FAILED))
        try:
            self._publisher.publish(event)
        except BrokerUnavailable:
            failed.inc()
            raise
        published.inc()
