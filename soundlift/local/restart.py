"""Decides when a process that has ended is started again."""

from __future__ import annotations

import time

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
SETTLED_SECONDS = 10.0


class Restart:
    """The next start of a process, after a pause that doubles while the process keeps ending young."""

    def __init__(self) -> None:
        self.pause = FIRST_PAUSE
        self._started = time.monotonic()
        self._start_at: float | None = None

    @property
    def is_planned(self) -> bool:
        """Tell whether the process has ended and waits for its next start."""
        return self._start_at is not None

    @property
    def is_due(self) -> bool:
        """Tell whether the pause is over."""
        return self._start_at is not None and time.monotonic() >= self._start_at

    def plan(self) -> None:
        """Set the time of the next start, after the process has ended or could not be started."""
        lived = time.monotonic() - self._started
        self.pause = FIRST_PAUSE if lived > SETTLED_SECONDS else min(self.pause * 2, LONGEST_PAUSE)
        self._started = self._start_at = time.monotonic() + self.pause

    def note_start(self) -> None:
        """Note that the process has been started."""
        self._started = time.monotonic()
        self._start_at = None
