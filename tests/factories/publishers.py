"""A publisher for tests of what a function publishes."""

from __future__ import annotations

from cloudevents.core.v1.event import CloudEvent

from soundlift.common.errors import BrokerUnavailable


class RecordingPublisher:
    """A publisher that keeps its events, or refuses them."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.events: list[CloudEvent] = []
        self.refuses = refuses

    def publish(self, event: CloudEvent) -> None:
        if self.refuses:
            raise BrokerUnavailable("The broker does not answer.")
        self.events.append(event)

    def check(self) -> None:
        pass
