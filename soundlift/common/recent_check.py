"""A check whose outcome counts for a few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from threading import Lock

from soundlift.common.errors import SoundliftError

RECENT_SECONDS = 2.0  # an outcome is as good as a new one
USABLE_SECONDS = 30.0  # it is used while another thread checks again


@dataclass(frozen=True)
class Outcome:
    """What a check found, and when by the monotonic clock; no error means success."""

    error: SoundliftError | None
    at: float


class RecentCheck:
    """A check that concurrent requests share, so that it runs once in RECENT_SECONDS, and delays at most one of them.

    Something that does not answer makes its check slow. The other threads use the previous outcome meanwhile.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._lock = Lock()
        self._outcome: Outcome | None = None

    def __call__(self) -> None:
        """Raise the error of the check, if it failed lately."""
        outcome = self._usable(RECENT_SECONDS) or self._find_out()
        if outcome.error is not None:
            raise copy(outcome.error)  # each thread that raises an error adds its traceback to it

    def _find_out(self) -> Outcome:
        if not self._lock.acquire(blocking=False):
            if outcome := self._usable(USABLE_SECONDS):
                return outcome
            self._lock.acquire()
        try:
            self._outcome = self._usable(RECENT_SECONDS) or self._run()
            return self._outcome
        finally:
            self._lock.release()

    def _usable(self, seconds: float) -> Outcome | None:
        outcome = self._outcome
        return outcome if outcome and time.monotonic() - outcome.at < seconds else None

    def _run(self) -> Outcome:
        error = None
        try:
            self._check()
        except SoundliftError as failure:
            error = failure.with_traceback(None)
        return Outcome(error, time.monotonic())
