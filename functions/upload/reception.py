"""Receives one file: its row first, then its bytes, then the row's word that it is whole."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import structlog

from soundlift.common.audio.formats import BYTES_TO_TELL, NAMES, is_known_format
from soundlift.common.errors import (
    BadRequest,
    SoundliftError,
    StorageFull,
    StoreUnavailable,
    TooLarge,
    UnsupportedMedia,
)
from soundlift.common.jobs.disposal import dispose
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.quota import Limits, Reservation, largest_upload
from soundlift.common.logging import bind_job, current_traceparent
from soundlift.common.media import MediaInfo, MediaWriter
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services

RESERVED_AT_ONCE = 16 * 2**20  # bytes of a body that does not announce its length
REFRESH_SECONDS = 60  # much less than RECEIVE_SECONDS, in which a block may arrive slowly
GIVEN_UP = "The upload took too long and was given up. Send it again."

log = structlog.get_logger()


class Reception:
    """Takes one file into the media store, and its options into its row; what is not finished is undone at its exit.

    The first bytes are held back until they tell the format, so a refused file leaves no trace.
    """

    def __init__(self, services: Services, username: str, *, announced: int) -> None:
        """Prepare for a body of `announced` bytes, 0 if that is not known; a form's are a few more than its file's."""
        self._services = services
        self._username = username
        self._limits = Limits.of(services.settings)
        self._largest = largest_upload(services.settings)
        self._reserved = min(announced, self._largest)
        self._asked: list[tuple[str, str]] = []
        self._options = AudioOptions.defaults(services.settings)
        self._name: str | None = None
        self._content_type = "application/octet-stream"
        self._beginning = b""
        self._received = 0
        self._job: Job | None = None
        self._writer: MediaWriter | None = None
        self._finished = False
        self._touched = time.monotonic()

    def ask_for(self, options: Iterable[tuple[str, str]]) -> None:
        """Add options, pairs of name and value, to those asked for so far; raises BadOption."""
        self._asked += options
        self._options = AudioOptions.read(self._asked, self._services.settings)

    def begin(self, name: str, content_type: str | None) -> None:
        """Name the file that follows; raises BadRequest for a second one."""
        if self._name is not None:
            raise BadRequest("Send exactly one file; this request has several.")
        self._name = name
        self._content_type = (content_type or self._content_type)[:100]

    def write(self, data: bytes) -> None:
        """Take a chunk in.

        Raises TooLarge, UnsupportedMedia, TooManyJobs, StorageFull, StoreUnavailable or DatabaseUnavailable.
        """
        self._received += len(data)
        if self._received > self._largest:
            raise TooLarge(f"A video may have at most {self._largest} bytes.")
        if self._writer is not None:
            self._keep_row_fresh()
            self._writer.write(data)
            return
        self._beginning += data
        if len(self._beginning) >= BYTES_TO_TELL:
            self._open()

    def finish(self) -> Job:
        """Make the file durable, and its job queued."""
        if self._name is None:
            raise BadRequest("Send exactly one file; this request has none.")
        if not self._received:
            raise BadRequest("The file is empty.")
        writer = self._writer or self._open()
        job = self._job
        assert job is not None
        size = writer.commit()
        if not self._services.jobs.queue(job.id, video_bytes=size, options=self._options.to_json()):
            raise StoreUnavailable(GIVEN_UP)
        self._finished = True
        queued = self._services.jobs.find(job.id)
        assert queued is not None
        return queued

    def _open(self) -> MediaWriter:
        if not is_known_format(self._beginning):
            raise UnsupportedMedia(f"This is no media file of a format that we read: {NAMES}.")
        self._reserved = max(self._reserved, len(self._beginning))
        job = self._services.jobs.receive(
            username=self._username,
            file_name=self._name or "video",
            content_type=self._content_type,
            traceparent=current_traceparent(),
            options=self._options.to_json(),
            reservation=Reservation(self._reserved, self._limits),
        )
        bind_job(job.id)
        self._job = job
        info = MediaInfo(job.username, job.file_name, job.content_type, job.id)
        self._writer = self._services.videos.create(job.video_fid, info)
        self._writer.write(self._beginning)
        return self._writer

    def _keep_row_fresh(self) -> None:
        """Have the row say that bytes still come, and count them before they are stored."""
        job = self._job
        assert job is not None
        if (missing := self._received - self._reserved) > 0:
            kept = self._reserve(job, missing)
        elif time.monotonic() - self._touched > REFRESH_SECONDS:
            kept = self._services.jobs.still_receiving(job.id)
        else:
            return
        self._touched = time.monotonic()
        if not kept:
            raise StoreUnavailable(GIVEN_UP)

    def _reserve(self, job: Job, missing: int) -> bool:
        """Reserve many blocks at once, or only what is missing where there is not that much space."""
        size = max(missing, min(RESERVED_AT_ONCE, self._largest - self._reserved))
        try:
            kept = self._services.jobs.reserve(job, Reservation(size, self._limits))
        except StorageFull:
            size = missing
            kept = self._services.jobs.reserve(job, Reservation(size, self._limits))
        self._reserved += size
        return kept

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._finished or self._job is None:
            return
        if self._writer is not None:
            self._writer.abort()
        try:
            if self._services.jobs.delete(self._job.id):
                dispose(self._job, self._services)
        except SoundliftError as trouble:
            log.warning("upload left to cleanup", code=trouble.code, **trouble.evidence)
