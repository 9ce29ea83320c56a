"""The hold of an upload in progress on its job row: its deadline, and the storage reserved for it."""

from __future__ import annotations

import time

from soundlift.common.errors import StorageFull, StoreUnavailable
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.quota import Limits, Reservation
from soundlift.common.jobs.store import Jobs

RESERVATION_BYTES = 16 * 2**20  # of a body that does not announce its length
REFRESH_SECONDS = 60  # much less than RECEIVE_SECONDS, in which a block may arrive slowly
GAVE_UP = "The upload took too long and was given up. Send it again."


class UploadLease:
    """A job row that is kept from being given up, and its reserved bytes ahead of those received."""

    def __init__(self, jobs: Jobs, job: Job, *, reserved: int, largest: int, limits: Limits) -> None:
        self._jobs = jobs
        self._job = job
        self._reserved = reserved
        self._largest = largest
        self._limits = limits
        self._refreshed = time.monotonic()

    def extend(self, received: int) -> None:
        """Reserve what has been received and is not stored yet, and move the deadline on when that is due.

        Raises StorageFull, StoreUnavailable if the upload was given up meanwhile, or DatabaseUnavailable.
        """
        if (missing := received - self._reserved) > 0:
            held = self._reserve(missing)
        elif time.monotonic() - self._refreshed > REFRESH_SECONDS:
            held = self._jobs.extend_deadline(self._job.id)
        else:
            return
        self._refreshed = time.monotonic()
        if not held:
            raise StoreUnavailable(GAVE_UP)

    def _reserve(self, missing: int) -> bool:
        """Reserve enough for many blocks, or only the missing bytes if there is not that much space."""
        size = max(missing, min(RESERVATION_BYTES, self._largest - self._reserved))
        try:
            held = self._jobs.reserve(self._job, Reservation(size, self._limits))
        except StorageFull:
            size = missing
            held = self._jobs.reserve(self._job, Reservation(size, self._limits))
        self._reserved += size
        return held
