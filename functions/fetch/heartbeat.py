"""The heartbeat of a claim, which tells the import when it has to stop."""

from __future__ import annotations

import time
from threading import Event, Thread
from types import TracebackType
from typing import Self

import structlog

from soundlift.common.errors import DatabaseUnavailable, Unavailable
from soundlift.common.jobs.model import CLAIM_SECONDS, ImportClaim
from soundlift.common.logging import with_log_context
from soundlift.common.services import Services

TICK_SECONDS = 2.0

log = structlog.get_logger()


class ClaimLost(Exception):
    """The job no longer belongs to this worker: it was cancelled, or claimed by another worker."""


class ImportHeartbeat:
    """A thread that renews a claim and writes the progress every two seconds; a context manager.

    When the claim is lost or the process has to stop, `check` and `pause` raise the reason.
    """

    def __init__(self, claim: ImportClaim, services: Services) -> None:
        self._claim = claim
        self._services = services
        self._renewed = time.monotonic()
        self._percent = 0
        self._reason: Exception | None = None
        self._stopping, self._ended = Event(), Event()
        self._thread = Thread(target=with_log_context(self._run), name="import-heartbeat", daemon=True)

    def report_progress(self, percent: float) -> None:
        """Set the percentage that the next renewal writes."""
        self._percent = min(99, int(percent))

    def check(self) -> None:
        """Raise the reason why the work has to stop, if any: ClaimLost, Unavailable or DatabaseUnavailable."""
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
                self._reason = self._reason_to_stop()
            except Exception as error:  # the work must not continue without a heartbeat
                self._reason = error
            if self._reason is not None:
                self._stopping.set()
                return

    def _reason_to_stop(self) -> Exception | None:
        if self._services.shutdown.is_overdue(self._services.settings.drain_seconds):
            return Unavailable("The worker is shutting down; another one will take the job.", retry_after=1)
        try:
            if not self._services.jobs.renew_import(self._claim, percent=self._percent):
                return ClaimLost()
            self._renewed = time.monotonic()
        except DatabaseUnavailable as error:
            log.warning("claim not renewed", **error.evidence)
            if time.monotonic() - self._renewed > CLAIM_SECONDS:
                return error
        return None
