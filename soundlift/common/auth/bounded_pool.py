"""A thread pool for expensive calls that rejects calls which would wait too long."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import ParamSpec, TypeVar

from soundlift.common.errors import Busy

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


class BoundedPool:
    """A thread pool with a bounded queue: at most `queue` calls wait for a thread, each for `wait_seconds`."""

    def __init__(self, name: str, *, threads: int, queue: int, wait_seconds: float, busy: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._places = BoundedSemaphore(threads + queue)
        self._wait_seconds = wait_seconds
        self._busy = busy

    def run(
        self, call: Callable[Parameters, Returned], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Returned:
        """Return what a call returns, or raise what it raises; raise Busy if it cannot start in time."""
        if not self._places.acquire(blocking=False):
            raise self._error()
        try:
            return self._result(self._pool.submit(call, *args, **kwargs))
        finally:
            self._places.release()

    def _result(self, future: Future[Returned]) -> Returned:
        try:
            return future.result(self._wait_seconds)
        except TimeoutError:
            if future.cancel():
                raise self._error() from None
            return future.result()  # it has started, so its result is used

    def _error(self) -> Busy:
        return Busy(self._busy, retry_after=1)
