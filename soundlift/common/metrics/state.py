"""What a process finds when it looks: which services are available, and how many jobs wait.

A scrape that comes some time after the last look starts the next one. It waits for it only for a short time, and never
fails: what has not been found by then counts as not available.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import TYPE_CHECKING, Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from soundlift.common.services import Services

CACHE_SECONDS = 15.0
WAIT_SECONDS = 2.0
SERVICES = {  # the label of each service that can be checked
    **{name: name for name in ("database", "videos", "mp3s", "mail", "broker")},
    "publisher": "broker",
}
WAITING_JOBS = "waiting jobs"


class State(Collector):
    """The availability of the services that a process has opened, and the jobs that wait, as last found."""

    def __init__(self, services: Services, *, cache_seconds: float = CACHE_SECONDS) -> None:
        self._services = services
        self._cache_seconds = cache_seconds
        self._pool = ThreadPoolExecutor(len(SERVICES) + 1, thread_name_prefix="metrics")
        self._looks: Mapping[str, Future[Any]] = {}
        self._looked_at = float("-inf")
        self._lock = Lock()

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing, so that registering this collector asks no service."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics."""
        looks = self._look()
        wait(looks.values(), WAIT_SECONDS)
        up = GaugeMetricFamily("soundlift_service_up", "Whether a service is available: 1 or 0.", labels=["service"])
        for service, look in looks.items():
            if service != WAITING_JOBS:
                up.add_metric([service], 1 if _succeeded(look) else 0)
        yield up
        if _succeeded(looks.get(WAITING_JOBS)):
            yield from _waiting_jobs(looks[WAITING_JOBS].result())

    def _look(self) -> Mapping[str, Future[Any]]:
        """Return the looks if they are recent; otherwise start each one again that has ended."""
        with self._lock:
            if time.monotonic() - self._looked_at >= self._cache_seconds:
                running = {name: look for name, look in self._looks.items() if not look.done()}
                started = {
                    name: self._pool.submit(look) for name, look in self._all_looks().items() if name not in running
                }
                self._looks = running | started
                self._looked_at = time.monotonic()
            return self._looks

    def _all_looks(self) -> dict[str, Callable[[], Any]]:
        opened = vars(self._services)
        looks = {label: opened[name].check for name, label in SERVICES.items() if name in opened}
        if "database" in opened:
            looks[WAITING_JOBS] = self._services.jobs.count_waiting
        return looks


def _succeeded(look: Future[Any] | None) -> bool:
    """Return whether a look has ended without an error."""
    return look is not None and look.done() and look.exception() is None


def _waiting_jobs(found: Mapping[str, tuple[int, float]]) -> Iterator[GaugeMetricFamily]:
    jobs = GaugeMetricFamily("soundlift_jobs", "Jobs that have not ended, by state.", labels=["state"])
    age = GaugeMetricFamily(
        "soundlift_oldest_queued_job_age_seconds", "Time since the job was queued that has been queued for longest."
    )
    for state, (count, seconds) in found.items():
        jobs.add_metric([state], count)
        if state == "queued":
            age.add_metric([], seconds)
    yield jobs
    yield age
