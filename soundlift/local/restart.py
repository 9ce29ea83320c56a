"""The schedule for restarting a process that has ended."""

from __future__ import annotations

import time

INITIAL_PAUSE = 0.5
MAX_PAUSE = 30.0
STABLE_SECONDS = 10.0


class Restart:
    """The next start of a process, after a pause that doubles each time the process ends within STABLE_SECONDS."""

    def __init__(self) -> None:
        self.pause = INITIAL_PAUSE
        self._started = time.monotonic()
        self._start_at: float | None = None

    @property
    def is_scheduled(self) -> bool:
        """Return whether the process has ended and a restart is scheduled."""
        return self._start_at is not None

    @property
    def is_due(self) -> bool:
        """Return whether the pause is over."""
        return self._start_at is not None and time.monotonic() >= self._start_at

    def schedule(self) -> None:
        """Schedule the next start, after the process has ended or could not be started."""
        uptime = time.monotonic() - self._started
        self.pause = INITIAL_PAUSE if uptime > STABLE_SECONDS else min(self.pause * 2, MAX_PAUSE)
        self._started = self._start_at = time.monotonic() + self.pause

    def record_start(self) -> None:
        """Record that the process has been started."""
        self._started = time.monotonic()
        self._start_at = None
