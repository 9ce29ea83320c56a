"""Asks the gateway which functions subscribe to which topics."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

import structlog
import urllib3
from urllib3.exceptions import HTTPError

from soundlift.common.broker.routes import all_queues
from soundlift.common.process.shutdown import Shutdown
from soundlift.connector.subscriptions import Subscriber

REFRESH_SECONDS = 5.0
FIRST_REFRESH_SECONDS = 0.25
TIMEOUT_SECONDS = 5.0
WHICH_LOGIN = "BASIC_AUTH_USER and BASIC_AUTH_PASSWORD must be those of the gateway."

log = structlog.get_logger()


class Discovery:
    """The subscriptions last reported by the gateway.

    A function subscribes by its annotation `topic`, which names topics, separated by commas. It receives their
    events from the queue that has the function's name if such a queue belongs to the topic, else from the queue that
    has the topic's name. Several functions can therefore subscribe to one topic, each with its own queue. `topics` maps
    each topic to its queues; `login` is the header that the gateway requires for its list of functions.
    """

    def __init__(
        self, gateway_url: str, topics: Mapping[str, Collection[str]], login: Mapping[str, str] | None = None
    ) -> None:
        self._gateway_url = gateway_url
        self._topics = topics
        self._http = urllib3.PoolManager(timeout=TIMEOUT_SECONDS, retries=False, headers=login)
        self._subscribers: Mapping[str, Subscriber] | None = None
        self._last_failure: str | None = None
        self._conflicts: set[tuple[str, ...]] = set()

    @property
    def max_queues(self) -> int:
        """Return the number of queues of all topics."""
        return len(all_queues(self._topics))

    @property
    def known(self) -> bool:
        """Return whether the gateway has listed its functions at least once."""
        return self._subscribers is not None

    @property
    def subscribers(self) -> Mapping[str, Subscriber]:
        """Return the subscribers by queue; a queue without one is missing."""
        return self._subscribers or {}

    def follow(self, shutdown: Shutdown, *, every: float = REFRESH_SECONDS) -> None:
        """Refresh every few seconds, more often before the gateway's first response, until shutdown begins."""
        while not shutdown.is_overdue(0):
            self.refresh()
            time.sleep(every if self._subscribers is not None else min(every, FIRST_REFRESH_SECONDS))

    def refresh(self) -> None:
        """Ask the gateway; if it does not return a list of functions, keep the last subscriptions."""
        try:
            functions = functions_by_topic(self._list_functions())
        except HTTPError as error:
            return self._log_failure("no answer", str(error))
        except ValueError as error:
            return self._log_failure(str(error), str(error))
        self._last_failure = None
        candidates = self._functions_by_queue(functions)
        found = {queue: self._choose(queue, sorted(names)) for queue, names in sorted(candidates.items())}
        if found != self._subscribers:
            log.info("subscriptions", **{queue: subscriber.name for queue, subscriber in found.items()})
        self._subscribers = found
        return None

    def _list_functions(self) -> Any:
        response = self._http.request("GET", f"{self._gateway_url}/system/functions", redirect=False)
        if response.status in (401, 403):
            raise ValueError(f"/system/functions returned {response.status}: {WHICH_LOGIN}")
        if response.status != 200:
            raise ValueError(f"/system/functions returned {response.status}")
        return json.loads(response.data)

    def _functions_by_queue(self, functions: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for topic in self._topics.keys() & functions.keys():
            for name in functions[topic]:
                found[name if name in self._topics[topic] else topic].add(name)
        return found

    def _choose(self, queue: str, names: list[str]) -> Subscriber:
        conflict = (queue, *names)
        if len(names) > 1 and conflict not in self._conflicts:
            self._conflicts.add(conflict)
            advice = "name the others in EXTRA_SUBSCRIBERS, which gives each its own queue"
            log.warning("several functions for one queue", queue=queue, functions=names, chosen=names[0], detail=advice)
        return Subscriber(names[0], f"{self._gateway_url}/function/{names[0]}")

    def _log_failure(self, kind: str, detail: str) -> None:
        """Log a failure unless it is of the same kind as the last one, with no success in between."""
        if kind != self._last_failure:
            log.warning("gateway does not list its functions", detail=detail)
        self._last_failure = kind


def functions_by_topic(functions: Any) -> dict[str, set[str]]:
    """Return the names of the functions that subscribe to each topic; raises ValueError for a malformed list."""
    found: dict[str, set[str]] = defaultdict(set)
    try:
        if not isinstance(functions, list):
            raise TypeError
        for function in functions:
            annotations = function.get("annotations") or {}
            for topic in annotations.get("topic", "").split(","):
                found[topic.strip()].add(str(function["name"]))
    except (TypeError, KeyError, AttributeError):
        raise ValueError("/system/functions did not return a list of functions") from None
    return found
