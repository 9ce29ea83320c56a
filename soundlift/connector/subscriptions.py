"""The mapping from queues to the functions that receive their messages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from soundlift.common.errors import SettingError
from soundlift.common.process.shutdown import Shutdown


@dataclass(frozen=True)
class Subscriber:
    """The function that receives the messages of a queue."""

    name: str
    url: str


class Subscriptions(Protocol):
    """The subscriber of each queue. One thread calls `follow`; any thread may read the properties."""

    @property
    def max_queues(self) -> int:
        """Return the maximum number of queues that can have a subscriber."""
        ...

    @property
    def known(self) -> bool:
        """Return whether the subscribers are known yet."""
        ...

    @property
    def subscribers(self) -> Mapping[str, Subscriber]:
        """Return the subscribers by queue; a queue without one is missing."""
        ...

    def follow(self, shutdown: Shutdown) -> None:
        """Keep the subscribers up to date until shutdown begins."""
        ...


@dataclass(frozen=True)
class FixedSubscriptions:
    """Subscriptions that an operator has configured, where there is no gateway to ask."""

    subscribers: Mapping[str, Subscriber]
    known = True

    @property
    def max_queues(self) -> int:
        """Return the number of subscribers."""
        return len(self.subscribers)

    def follow(self, shutdown: Shutdown) -> None:
        """Return immediately: fixed subscriptions do not change."""


def fixed_subscriptions(urls: Mapping[str, str], queues: Collection[str]) -> FixedSubscriptions:
    """Return the subscriptions for a map from queue to address; logs use the address as the function's name.

    Raises SettingError for a queue that does not exist.
    """
    for queue in urls:
        if queue not in queues:
            known = ", ".join(sorted(queues))
            detail = f"{queue} is not a queue; the queues are {known}."
            raise SettingError(f"Setting SUBSCRIBERS: {detail}", setting="SUBSCRIBERS")
    return FixedSubscriptions({queue: Subscriber(url, url) for queue, url in urls.items()})
