"""Requests that wait for a change of a job, and the limit on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore
from typing import TypeVar

from soundlift.common.services import Services

MAX_WAIT_SECONDS = 60
PAUSE_PER_READ = 10  # times as long as the read, so that waiting requests use little of the processor

Result = TypeVar("Result")


@contextmanager
def permitted_wait(services: Services, seconds: float) -> Iterator[float]:
    """Yield for how many seconds a request may wait: 0 if LONG_POLLS requests wait already.

    Those beyond the limit are answered immediately, so that a login always finds a thread.
    """
    places = _places(services.settings.long_polls)
    if not seconds or not places.acquire(blocking=False):
        yield 0
        return
    try:
        yield seconds
    finally:
        places.release()


@cache
def _places(number: int) -> BoundedSemaphore:
    """Return this process's semaphore for requests that wait."""
    return BoundedSemaphore(number)


def poll(
    read: Callable[[], Result],
    is_enough: Callable[[Result], bool],
    services: Services,
    *,
    seconds: float,
    pause: float,
) -> Result:
    """Call `read` until its result is enough, `seconds` have passed or the process has to stop; return the result.

    The pause between two calls is `pause` seconds, but longer if `read` takes long, as it does after very many changes.
    """
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        result = read()
        ended = time.monotonic()
        if is_enough(result) or ended >= deadline or services.shutdown.is_overdue(0):
            return result
        time.sleep(min(max(pause, PAUSE_PER_READ * (ended - began)), deadline - ended))
