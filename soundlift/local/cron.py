"""Scheduled calls of the functions annotated with topic cron-function, like those of OpenFaaS's cron-connector."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus
from threading import Event, Thread

import urllib3
from croniter import croniter

from soundlift.local.terminal import print_message

TOPIC = "cron-function"
MAX_PAUSE = 60.0
RETRY_PAUSE = 2.0
CALL_TIMEOUT = 60.0


class Cron(Thread):
    """A thread that calls functions on their schedules; one call replaces any number of missed ones.

    `login` is the header that authenticates to the gateway.
    """

    def __init__(self, gateway_url: str, login: Mapping[str, str] | None = None) -> None:
        super().__init__(name="cron", daemon=True)
        self._gateway_url = gateway_url
        self._stopping = Event()
        self._http = urllib3.PoolManager(
            timeout=CALL_TIMEOUT, retries=False, headers={"Connection": "close", **(login or {})}
        )

    def stop(self) -> None:
        """Make no further calls; do not wait for a call in progress."""
        self._stopping.set()

    def run(self) -> None:
        """Call functions when they are due, until stopped; read the schedules at least once a minute."""
        since = time.time()
        while not self._stopping.is_set():
            schedules = self._schedules()
            pause = RETRY_PAUSE
            if schedules is not None:
                now = time.time()
                self._call_due(schedules, since, now)
                since = now
                next_times = [_next_time(schedule, now) for schedule in schedules.values()]
                pause = max(0.0, min([*next_times, now + MAX_PAUSE]) - time.time())
            self._stopping.wait(pause)

    def _schedules(self) -> Mapping[str, str] | None:
        """Return the schedule of each function that has a valid one, or None if the gateway does not return a list."""
        try:
            response = self._http.request("GET", f"{self._gateway_url}/system/functions")
            functions = response.json()
        except (urllib3.exceptions.HTTPError, ValueError):
            return None
        if response.status != HTTPStatus.OK:
            return None
        annotations = {function["name"]: function.get("annotations") or {} for function in functions}
        return {
            name: values["schedule"]
            for name, values in annotations.items()
            if values.get("topic") == TOPIC and croniter.is_valid(values.get("schedule", ""))
        }

    def _call_due(self, schedules: Mapping[str, str], since: float, now: float) -> None:
        for name, schedule in schedules.items():
            if _next_time(schedule, since) <= now:
                self._call(name)

    def _call(self, name: str) -> None:
        try:
            response = self._http.request("POST", f"{self._gateway_url}/function/{name}")
        except urllib3.exceptions.HTTPError as error:
            print_message(f"{name} could not be called: {error}")
            return
        if response.status >= HTTPStatus.BAD_REQUEST:
            print_message(f"{name} returned {response.status}: {response.data.decode(errors='replace')[:300]}")


def _next_time(schedule: str, after: float) -> float:
    return croniter(schedule, after).get_next(float)
