"""The lease of an upload in progress on its job row: its deadline and its reserved storage."""

from __future__ import annotations

import time

from soundlift.common.errors import StorageFull, StoreUnavailable
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.quota import Reservation
from soundlift.common.jobs.store import Jobs

RESERVATION_BYTES = 16 * 2**20  # reserved at a time for a body of unknown length
REFRESH_SECONDS = 60  # far below RECEIVE_SECONDS, since a block may arrive slowly
ABANDONED = "The upload took too long and was abandoned; send it again."


class UploadLease:
    """A renewable lease: it keeps the job from being abandoned, and reserves storage ahead of the bytes received."""

    def __init__(self, jobs: Jobs, job: Job, *, reserved: int, max_bytes: int, limits: Limits) -> None:
        self._jobs = jobs
        self._job = job
        self._reserved = reserved
        self._max_bytes = max_bytes
        self._limits = limits
        self._refreshed_at = time.monotonic()

    def extend(self, received: int) -> None:
        """Reserve storage for the bytes received so far, or extend the deadline if REFRESH_SECONDS have passed.

        Raises StorageFull, StoreUnavailable if the upload was abandoned meanwhile, or DatabaseUnavailable.
        """
        if (missing := received - self._reserved) > 0:
            held = self._reserve(missing)
        elif time.monotonic() - self._refreshed_at > REFRESH_SECONDS:
            held = self._jobs.extend_deadline(self._job.id)
        else:
            return
        self._refreshed_at = time.monotonic()
        if not held:
            raise StoreUnavailable(ABANDONED)

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
