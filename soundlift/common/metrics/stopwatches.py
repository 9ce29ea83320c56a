"""The times since which something has been going on."""

from __future__ import annotations

import time
from threading import Lock

MAX_RUNNING = 10_000


class Stopwatches:
    """Running stopwatches by key; thread-safe. Those that are never stopped make room for later ones."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._lock = Lock()

    def start(self, key: str) -> None:
        """Start a stopwatch, and forget the oldest one if there are too many."""
        with self._lock:
            self._since[key] = time.perf_counter()
            if len(self._since) > MAX_RUNNING:
                del self._since[next(iter(self._since))]

    def stop(self, key: str) -> float | None:
        """Return the seconds since the start, once; None if the stopwatch is not running."""
        with self._lock:
            since = self._since.pop(key, None)
        return None if since is None else time.perf_counter() - since
