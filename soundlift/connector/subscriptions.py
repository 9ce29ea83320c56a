"""Defines how the connector knows which function takes the messages of which queue."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from soundlift.common.errors import SettingError
from soundlift.common.process.shutdown import Shutdown


@dataclass(frozen=True)
class Subscriber:
    """Is the function that takes the messages of a queue."""

    name: str
    url: str


class Subscriptions(Protocol):
    """Knows the subscriber of each queue; one thread follows, any may look."""

    @property
    def most(self) -> int:
        """Return how many queues there can be a subscriber for."""
        ...

    @property
    def known(self) -> bool:
        """Tell whether the subscribers have been found out."""
        ...

    @property
    def subscribers(self) -> Mapping[str, Subscriber]:
        """Return the subscribers by queue; a queue without one is missing."""
        ...

    def follow(self, shutdown: Shutdown) -> None:
        """Keep up with changes until told to stop."""
        ...


@dataclass(frozen=True)
class FixedSubscriptions:
    """Are those that an operator has written down, where no gateway tells them."""

    subscribers: Mapping[str, Subscriber]
    known = True

    @property
    def most(self) -> int:
        """Return how many there are."""
        return len(self.subscribers)

    def follow(self, shutdown: Shutdown) -> None:
        """Return at once: they do not change."""


def fixed_subscriptions(urls: Mapping[str, str], queues: Collection[str]) -> FixedSubscriptions:
    """Return the subscriptions of a map from topic to address; a function is called by its address in logs.

    Raises SettingError for a topic that is no queue.
    """
    for topic in urls:
        if topic not in queues:
            known = " and ".join(sorted(queues))
            raise SettingError(f"Setting SUBSCRIBERS: {topic} is no topic; there are {known}.", setting="SUBSCRIBERS")
    return FixedSubscriptions({topic: Subscriber(url, url) for topic, url in urls.items()})
