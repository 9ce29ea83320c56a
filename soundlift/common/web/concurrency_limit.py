"""The limit on the concurrent requests of a process."""

from __future__ import annotations

from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from soundlift.common.errors import Busy

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

RELEASE = "soundlift.release"  # in the environ of a request that was admitted and has not ended


class ConcurrencyLimit:
    """A limit on the requests in progress, each from its admission until its response is closed."""

    def __init__(self, limit: int) -> None:
        self._semaphore = BoundedSemaphore(limit)

    def admit(self, environ: WSGIEnvironment) -> None:
        """Count a request as in progress; raises Busy at the limit."""
        if not self._semaphore.acquire(blocking=False):
            raise Busy("Too many concurrent requests; retry shortly.", retry_after=1)
        environ[RELEASE] = self._semaphore.release


def release(environ: WSGIEnvironment) -> None:
    """Count an admitted request as ended; do nothing if it was not admitted or has already ended."""
    if end := environ.pop(RELEASE, None):
        end()
