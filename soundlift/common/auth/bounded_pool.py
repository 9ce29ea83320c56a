"""A thread pool for expensive calls, which rejects calls that would wait too long."""

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

    def __init__(self, name: str, *, threads: int, queue: int, wait_seconds: float, busy_message: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._slots = BoundedSemaphore(threads + queue)
        self._wait_seconds = wait_seconds
        self._busy_message = busy_message

    def run(
        self, call: Callable[Parameters, Returned], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Returned:
        """Call a function in the pool and return its result; raises its error, or Busy if it cannot start in time."""
        if not self._slots.acquire(blocking=False):
            raise self._error()
        try:
            return self._result(self._pool.submit(call, *args, **kwargs))
        finally:
            self._slots.release()

    def _result(self, future: Future[Returned]) -> Returned:
        try:
            return future.result(self._wait_seconds)
        except TimeoutError:
            if future.cancel():
                raise self._error() from None
            return future.result()  # it has started, so its result is used

    def _error(self) -> Busy:
        return Busy(self._busy_message, retry_after=1)
