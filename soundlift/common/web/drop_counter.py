"""Counts of the clients whose connections a worker dropped."""

from __future__ import annotations

import time
from collections import Counter
from threading import Lock

import structlog

LOG_SECONDS = 1.0

log = structlog.get_logger()


class DropCounter:
    """Dropped clients by reason since the start, logged at most once a second, no matter how many there are."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = Lock()
        self._logged = 0.0
        self._is_new = False

    def add(self, reason: str) -> None:
        """Count one client; safe from any thread."""
        with self._lock:
            self._counts[reason] += 1
            self._is_new = True

    def log(self) -> None:
        """Log the counts since the start, if they have changed and the last line is at least LOG_SECONDS old."""
        with self._lock:
            now = time.monotonic()
            if not self._is_new or now - self._logged < LOG_SECONDS:
                return
            self._logged, self._is_new = now, False
            counts = dict(self._counts)
        log.warning("clients dropped", since_start=counts)
