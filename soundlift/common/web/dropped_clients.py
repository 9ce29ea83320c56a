"""Counts the clients that a worker drops, and logs the counts."""

from __future__ import annotations

import time
from collections import Counter
from threading import Lock

import structlog

LOG_SECONDS = 1.0

log = structlog.get_logger()


class DroppedClients:
    """Counts by reason since the start; at most one line a second is logged, however many clients are dropped."""

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
        """Log the counts since the start, if there are new ones and the last line is long enough ago."""
        with self._lock:
            now = time.monotonic()
            if not self._is_new or now - self._logged < LOG_SECONDS:
                return
            self._logged, self._is_new = now, False
            counts = dict(self._counts)
        log.warning("clients dropped", since_start=counts)
