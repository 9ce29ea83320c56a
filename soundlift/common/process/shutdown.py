"""The time at which this process was asked to stop, for work that may take longer than a shutdown allows."""

from __future__ import annotations

import time


class Shutdown:
    """The state of a shutdown, checked by long-running work."""

    def __init__(self) -> None:
        self._began: float | None = None

    def begin(self) -> None:
        """Record that the process was asked to stop; safe in a signal handler."""
        self._began = self._began or time.monotonic()

    def is_overdue(self, grace: float) -> bool:
        """Return whether the process was asked to stop at least `grace` seconds ago."""
        return self._began is not None and time.monotonic() - self._began >= grace


shutdown = Shutdown()
