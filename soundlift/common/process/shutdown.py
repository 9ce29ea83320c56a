"""Remembers when this process was asked to stop, for work that takes longer than a stop may."""

from __future__ import annotations

import time


class Shutdown:
    """Is asked by long work whether it is time to hand itself back."""

    def __init__(self) -> None:
        self._began: float | None = None

    def begin(self) -> None:
        """Note that the process has been told to stop; safe in a signal handler."""
        self._began = self._began or time.monotonic()

    def is_overdue(self, grace: float) -> bool:
        """Tell whether the process was told to stop at least `grace` seconds ago."""
        return self._began is not None and time.monotonic() - self._began >= grace


shutdown = Shutdown()
