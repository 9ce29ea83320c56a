"""Calls functions by the clock, as OpenFaaS's cron-connector does: those annotated with topic cron-function."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus
from threading import Event, Thread

import urllib3
from croniter import croniter

from soundlift.local.terminal import say

TOPIC = "cron-function"
LONGEST_PAUSE = 60.0
AWAY_PAUSE = 2.0
CALL_SECONDS = 60.0


class Cron(Thread):
    """Runs in a thread; a tick that was missed, or many, is made up for by one call.

    `user` is the header that logs in to the gateway.
    """

    def __init__(self, gateway_url: str, user: Mapping[str, str] | None = None) -> None:
        super().__init__(name="cron", daemon=True)
        self._gateway_url = gateway_url
        self._stopping = Event()
        self._http = urllib3.PoolManager(
            timeout=CALL_SECONDS, retries=False, headers={"Connection": "close", **(user or {})}
        )

    def stop(self) -> None:
        """Stop before the next tick, without waiting for a call under way."""
        self._stopping.set()

    def run(self) -> None:
        """Call what is due until stopped, at least once a minute looking what there is."""
        since = time.time()
        while not self._stopping.is_set():
            schedules = self._schedules()
            pause = AWAY_PAUSE
            if schedules is not None:
                now = time.time()
                self._call_due(schedules, since, now)
                since = now
                following = [_next_time(schedule, now) for schedule in schedules.values()]
                pause = max(0.0, min([*following, now + LONGEST_PAUSE]) - time.time())
            self._stopping.wait(pause)

    def _schedules(self) -> Mapping[str, str] | None:
        """Return the schedule of each function that has one we can read; None while the gateway is away."""
        try:
            response = self._http.request("GET", f"{self._gateway_url}/system/functions")
            functions = response.json()
        except (urllib3.exceptions.HTTPError, ValueError):
            return None
        if response.status != HTTPStatus.OK:
            return None
        annotations = {function["name"]: function.get("annotations") or {} for function in functions}
        return {
            name: its["schedule"]
            for name, its in annotations.items()
            if its.get("topic") == TOPIC and croniter.is_valid(its.get("schedule", ""))
        }

    def _call_due(self, schedules: Mapping[str, str], since: float, now: float) -> None:
        for name, schedule in schedules.items():
            if _next_time(schedule, since) <= now:
                self._call(name)

    def _call(self, name: str) -> None:
        try:
            response = self._http.request("POST", f"{self._gateway_url}/function/{name}")
        except urllib3.exceptions.HTTPError as error:
            say(f"{name} could not be called: {error}")
            return
        if response.status >= HTTPStatus.BAD_REQUEST:
            say(f"{name} answered {response.status}: {response.data.decode(errors='replace')[:300]}")


def _next_time(schedule: str, after: float) -> float:
    return croniter(schedule, after).get_next(float)
