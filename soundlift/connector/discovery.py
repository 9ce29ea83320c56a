"""Finds out from the gateway which function subscribes to which queue."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

import structlog
import urllib3
from urllib3.exceptions import HTTPError

from soundlift.common.process.shutdown import Shutdown
from soundlift.connector.subscriptions import Subscriber

REFRESH_SECONDS = 5.0
FIRST_SECONDS = 0.25
TIMEOUT_SECONDS = 5.0
WHOSE_USER = "BASIC_AUTH_USER and BASIC_AUTH_PASSWORD must be those of the gateway."

log = structlog.get_logger()


class Discovery:
    """Are the subscriptions that the gateway last told.

    A function subscribes by an annotation `topic`, which names queues, with commas between them. `user` is the
    header that logs in to the gateway, for its list of functions.
    """

    def __init__(self, gateway_url: str, queues: Collection[str], user: Mapping[str, str] | None = None) -> None:
        self._gateway_url = gateway_url
        self._queues = frozenset(queues)
        self._http = urllib3.PoolManager(timeout=TIMEOUT_SECONDS, retries=False, headers=user)
        self._subscribers: Mapping[str, Subscriber] | None = None
        self._trouble: str | None = None
        self._contested: set[tuple[str, ...]] = set()

    @property
    def most(self) -> int:
        """Return how many queues there can be a subscriber for."""
        return len(self._queues)

    @property
    def known(self) -> bool:
        """Tell whether the gateway has answered at least once."""
        return self._subscribers is not None

    @property
    def subscribers(self) -> Mapping[str, Subscriber]:
        """Return the subscribers by queue; a queue without one is missing."""
        return self._subscribers or {}

    def follow(self, shutdown: Shutdown, *, every: float = REFRESH_SECONDS) -> None:
        """Refresh every few seconds, and faster before the gateway's first answer, until told to stop."""
        while not shutdown.is_overdue(0):
            self.refresh()
            time.sleep(every if self._subscribers is not None else min(every, FIRST_SECONDS))

    def refresh(self) -> None:
        """Ask the gateway; while it gives no good answer the last one stays."""
        try:
            claims = claims_of(self._functions())
        except HTTPError as error:
            return self._note_trouble("no answer", str(error))
        except ValueError as error:
            return self._note_trouble(str(error), str(error))
        self._trouble = None
        found = {queue: self._choose(queue, sorted(claims[queue])) for queue in sorted(self._queues & claims.keys())}
        if found != self._subscribers:
            log.info("subscriptions", **{queue: subscriber.name for queue, subscriber in found.items()})
        self._subscribers = found
        return None

    def _functions(self) -> Any:
        response = self._http.request("GET", f"{self._gateway_url}/system/functions", redirect=False)
        if response.status in (401, 403):
            raise ValueError(f"/system/functions answered {response.status}: {WHOSE_USER}")
        if response.status != 200:
            raise ValueError(f"/system/functions answered {response.status}")
        return json.loads(response.data)

    def _choose(self, queue: str, names: list[str]) -> Subscriber:
        claim = (queue, *names)
        if len(names) > 1 and claim not in self._contested:
            self._contested.add(claim)
            log.warning("several functions claim one topic", topic=queue, functions=names, chosen=names[0])
        return Subscriber(names[0], f"{self._gateway_url}/function/{names[0]}")

    def _note_trouble(self, kind: str, detail: str) -> None:
        """Log trouble once, until it is over or of another kind."""
        if kind != self._trouble:
            log.warning("gateway does not tell its functions", detail=detail)
        self._trouble = kind


def claims_of(functions: Any) -> dict[str, set[str]]:
    """Return which functions claim each topic, from the gateway's list; raises ValueError where it is none."""
    claims: dict[str, set[str]] = defaultdict(set)
    try:
        if not isinstance(functions, list):
            raise TypeError
        for function in functions:
            annotations = function.get("annotations") or {}
            for topic in annotations.get("topic", "").split(","):
                claims[topic.strip()].add(str(function["name"]))
    except (TypeError, KeyError, AttributeError):
        raise ValueError("/system/functions answered no list of functions") from None
    return claims
