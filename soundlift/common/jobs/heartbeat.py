"""The heartbeat of a claim, which stops the work when necessary."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog

from soundlift.common.errors import DatabaseUnavailable, Unavailable
from soundlift.common.jobs.model import CLAIM_SECONDS
from soundlift.common.logging import with_log_context

if TYPE_CHECKING:
    from soundlift.common.services import Services

TICK_SECONDS = 1.0

log = structlog.get_logger()


class ClaimLost(Exception):
    """The job no longer belongs to this worker: it was cancelled, deleted, or claimed by another worker."""


class ClaimHeartbeat:
    """A thread that renews a claim and writes the progress every second; a context manager.

    When the claim is lost or the process has to stop, the thread calls the callback passed to `on_stop`, and `check`
    and `pause` raise the reason.
    """

    def __init__(self, renew: Callable[[int], bool], services: Services) -> None:
        """Prepare to renew a claim by `renew`, which gets the progress in percent.

        It returns False if the claim is lost, and may raise any other reason to stop. DatabaseUnavailable is one only
        once it has lasted for as long as a claim.
        """
        self._renew_claim = renew
        self._services = services
        self._renewed = time.monotonic()
        self._percent = 0
        self._reason: Exception | None = None
        self._stop: Callable[[], None] | None = None
        self._lock = Lock()
        self._stopping, self._ended = Event(), Event()
        self._thread = Thread(target=with_log_context(self._run), name="claim-heartbeat", daemon=True)

    def report_progress(self, percent: float) -> None:
        """Set the percentage that the next renewal writes, unless it is lower than before."""
        self._percent = min(99, max(self._percent, int(percent)))

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Set the callback that stops the work, and call it now if the work already has to stop."""
        with self._lock:
            self._stop = stop
            if self._reason is not None:
                stop()

    def check(self) -> None:
        """Raise the reason why the work has to stop, if any: ClaimLost, Unavailable or one from the renewal."""
        if self._reason is not None:
            raise self._reason

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the work may go on; raises what `check` raises."""
        self._stopping.wait(seconds)
        self.check()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(TICK_SECONDS):
            try:
                reason = self._reason_to_stop()
            except Exception as error:  # the work must not continue without a heartbeat
                reason = error
            if reason is not None:
                self._end(reason)
                return

    def _reason_to_stop(self) -> Exception | None:
        if self._services.shutdown.is_overdue(self._services.settings.drain_seconds):
            return Unavailable("The worker is shutting down; another one will take the job.", retry_after=1)
        return self._renew()

    def _renew(self) -> Exception | None:
        try:
            if not self._renew_claim(self._percent):
                return ClaimLost()
            self._renewed = time.monotonic()
        except DatabaseUnavailable as error:
            log.warning("claim not renewed", **error.evidence)
            if time.monotonic() - self._renewed > CLAIM_SECONDS:
                return error
        return None

    def _end(self, reason: Exception) -> None:
        with self._lock:
            self._reason = reason
            self._stopping.set()
            if self._stop is not None:
                self._stop()
