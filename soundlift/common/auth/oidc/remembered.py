"""A document of an identity provider that is loaded when it is needed, and kept while the provider is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from threading import Lock
from typing import Generic, TypeVar

from soundlift.common.errors import ProviderUnavailable

LIFESPAN_SECONDS = 3600.0  # then it is loaded again
KEEP_SECONDS = 24 * 3600.0  # so long, the last good one is used if it cannot be loaded again
PAUSE_SECONDS = 30.0  # between attempts to load it, whether the earlier one failed or succeeded

Clock = Callable[[], float]
Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """The last good value of `load`, which raises ProviderUnavailable after a limited time.

    One caller at a time loads it, and holds no lock meanwhile. Those who need the same value wait for that caller, and
    nobody waits within PAUSE_SECONDS of an attempt that failed.
    """

    def __init__(self, load: Callable[[], Value], *, clock: Clock = time.monotonic) -> None:
        self._load = load
        self._clock = clock
        self._lock = Lock()
        self._loading: Future[None] | None = None
        self._value: Value | None = None
        self._loaded_at = self._next_attempt_at = float("-inf")
        self._failure = "It was not loaded."

    def get(self, *, refresh: bool = False) -> Value:
        """Return the value, loaded again if it is older than LIFESPAN_SECONDS; raises ProviderUnavailable.

        With `refresh`, a younger one is loaded again too, unless the last attempt was less than PAUSE_SECONDS ago.
        """
        loading, is_mine = self._join(refresh)
        if loading is not None and is_mine:
            self._attempt(loading)
        elif loading is not None:
            wait_for([loading])
        with self._lock:
            if self._value is None or self._clock() >= self._loaded_at + KEEP_SECONDS:
                raise ProviderUnavailable(self._failure, retry_after=int(PAUSE_SECONDS))
            return self._value

    def _join(self, refresh: bool) -> tuple[Future[None] | None, bool]:
        """Return the attempt in progress, or a new one and True; None if none is needed, or it is too early for one."""
        with self._lock:
            now = self._clock()
            if not refresh and now < self._loaded_at + LIFESPAN_SECONDS:
                return None, False
            if self._loading is not None:
                return self._loading, False
            if now < self._next_attempt_at:
                return None, False
            self._loading = Future()
            self._next_attempt_at = now + PAUSE_SECONDS
            return self._loading, True

    def _attempt(self, loading: Future[None]) -> None:
        began, value, failure = self._clock(), None, "It could not be loaded."
        try:
            value = self._load()
        except ProviderUnavailable as error:
            failure = error.detail
        finally:
            with self._lock:
                self._loading = None
                if value is not None:
                    self._value, self._loaded_at = value, began
                else:
                    self._failure = failure
            loading.set_result(None)
