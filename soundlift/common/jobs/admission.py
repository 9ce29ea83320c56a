"""The conditions under which the deployment accepts another upload, checked before its body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundlift.common.errors import QueueFull, StoreUnavailable
from soundlift.common.media import LimitedSpace, MediaStore
from soundlift.common.recent_check import RecentCheck

if TYPE_CHECKING:
    from soundlift.common.jobs.queries import JobQueries
    from soundlift.common.settings import Settings

RETRY_SECONDS = 30  # each worker may end several conversions in this time


class UploadAdmission:
    """The admission of uploads while the store responds and not too many jobs wait for a worker.

    Both are checked once in a few seconds per process, so that they cost an upload next to nothing. The uploads that
    every process admits in this time may exceed the limit of waiting jobs by as many.
    """

    def __init__(self, jobs: JobQueries, videos: MediaStore, settings: Settings) -> None:
        self._jobs = jobs
        self._videos = videos
        self._max_waiting = settings.max_waiting_jobs
        self._check_store = RecentCheck(videos.check)
        self._check_queue = RecentCheck(self._require_room)

    def check(self, *, announced_bytes: int, makes_job: bool = True) -> None:
        """Raise StoreUnavailable, DatabaseUnavailable or QueueFull unless an upload of this size can be accepted.

        A part of an upload that does not complete it makes no job.
        """
        self._check_store()
        if isinstance(self._videos, LimitedSpace) and self._videos.free_bytes() < announced_bytes:
            raise StoreUnavailable("The disk of the media store is too full for this file.")
        if self._max_waiting and makes_job:
            self._check_queue()

    def _require_room(self) -> None:
        if self._jobs.has_waiting(self._max_waiting):
            raise QueueFull(
                "Too many jobs of all users are waiting to be converted. Upload this file again later.",
                retry_after=RETRY_SECONDS,
            )
