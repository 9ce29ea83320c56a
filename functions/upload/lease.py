"""The lease of an upload in progress on its job row: its deadline and its reserved storage."""

from __future__ import annotations

from threading import Event, Thread

import structlog

from soundlift.common.errors import DatabaseUnavailable, StorageFull, StoreUnavailable
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.quota import Reservation
from soundlift.common.jobs.store import Jobs
from soundlift.common.logging import with_log_context

RESERVATION_BYTES = 16 * 2**20  # reserved at a time for a body of unknown length
REFRESH_SECONDS = 10.0  # so that a lease survives two failures of the database
ABANDONED = "The upload was cancelled, or took too long and was abandoned; send it again."

log = structlog.get_logger()


class UploadLease:
    """A lease that a thread renews: it shows that the process of the upload lives, however slowly a block arrives.

    It also reserves storage ahead of the bytes received.
    """

    def __init__(self, jobs: Jobs, job: Job, *, reserved: int, max_bytes: int, limits: Limits) -> None:
        self._jobs = jobs
        self._job = job
        self._reserved = reserved
        self._max_bytes = max_bytes
        self._limits = limits
        self._is_lost = False
        self._ended = Event()
        self._thread = Thread(target=with_log_context(self._run), name="upload-lease", daemon=True)
        self._thread.start()

    def extend(self, received: int) -> None:
        """Reserve storage for the bytes received so far.

        Raises StorageFull, StoreUnavailable if the upload was cancelled or abandoned meanwhile, or DatabaseUnavailable.
        """
        missing = received - self._reserved
        if self._is_lost or (missing > 0 and not self._reserve(missing)):
            raise StoreUnavailable(ABANDONED)

    def end(self) -> None:
        """Stop renewing the lease."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(REFRESH_SECONDS):
            try:
                self._is_lost = not self._jobs.extend_deadline(self._job.id)
            except DatabaseUnavailable as error:
                log.warning("upload lease not renewed", **error.evidence)
            if self._is_lost:
                return

    def _reserve(self, missing: int) -> bool:
        """Reserve storage for many blocks, or only the missing bytes if there is not enough space."""
        size = max(missing, min(RESERVATION_BYTES, self._max_bytes - self._reserved))
        try:
            held = self._jobs.reserve(self._job, Reservation(size, self._limits))
        except StorageFull:
            size = missing
            held = self._jobs.reserve(self._job, Reservation(size, self._limits))
        self._reserved += size
        return held
