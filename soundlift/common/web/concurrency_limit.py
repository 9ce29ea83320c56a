"""Limits on how many requests this process works on at once."""

from __future__ import annotations

from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING

from soundlift.common.errors import Busy

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

RELEASE = "soundlift.release"  # in the environ of a request that was admitted and is not over


class ConcurrencyLimit:
    """Limit on the requests in progress, each from its admission until its response is closed."""

    def __init__(self, limit: int) -> None:
        self._semaphore = BoundedSemaphore(limit)

    def admit(self, environ: WSGIEnvironment) -> None:
        """Count a request as in progress; raises Busy at the limit."""
        if not self._semaphore.acquire(blocking=False):
            raise Busy("Too many concurrent requests; retry shortly.", retry_after=1)
        environ[RELEASE] = self._semaphore.release


def release(environ: WSGIEnvironment) -> None:
    """Count a request as over, once, if it was admitted."""
    if end := environ.pop(RELEASE, None):
        end()


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
