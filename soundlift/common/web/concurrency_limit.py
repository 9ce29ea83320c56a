"""Counts what this process has in work at once."""

from __future__ import annotations

from threading import Lock


class Places:
    """Gives places to threads; how many there are is told at each try, when the settings are known."""

    def __init__(self) -> None:
        self._taken = 0
        self._lock = Lock()

    @property
    def taken(self) -> int:
        """Return how many are taken."""
        return self._taken

    def take(self, number: int) -> bool:
        """Take one of `number` places, and tell whether one was free."""
        with self._lock:
            free = self._taken < number
            self._taken += free
            return free

    def give_back(self) -> None:
        """Let go of a place."""
        with self._lock:
            self._taken -= 1
