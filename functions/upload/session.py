"""One upload from its first byte to its queued job: row, stored file, and rollback."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

import structlog

from soundlift.common.audio.formats import FORMAT_NAMES, SIGNATURE_BYTES, is_known_format
from soundlift.common.errors import BadRequest, SoundliftError, StoreUnavailable, TooLarge, UnsupportedMedia
from soundlift.common.jobs.disposal import dispose
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.quota import Limits, Reservation, upload_size_limit
from soundlift.common.logging import bind_job, current_traceparent
from soundlift.common.media import MediaInfo, MediaWriter
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.options.parsing import parse_options
from soundlift.common.services import Services

from .lease import GAVE_UP, UploadLease

log = structlog.get_logger()


class UploadSession:
    """An upload in progress: its row is written first, then its file; unless committed, both are deleted at the exit.

    The first bytes are held back until they show the format, so that a refused file leaves no trace.
    """

    def __init__(self, services: Services, username: str, *, announced: int) -> None:
        """Prepare for a body of `announced` bytes, 0 if unknown; that of a form is slightly longer than its file."""
        self._services = services
        self._username = username
        self._limits = Limits.from_settings(services.settings)
        self._largest = upload_size_limit(services.settings)
        self._reserved = min(announced, self._largest)
        self._given: list[tuple[str, str]] = []
        self._options = AudioOptions.defaults(services.settings)
        self._name: str | None = None
        self._content_type = "application/octet-stream"
        self._beginning = b""
        self._received = 0
        self._job: Job | None = None
        self._lease: UploadLease | None = None
        self._writer: MediaWriter | None = None
        self._committed = False

    def add_options(self, given: Iterable[tuple[str, str]]) -> None:
        """Add pairs of an option's name and value to those given so far; raises BadOption."""
        self._given += given
        self._options = parse_options(self._given, self._services.settings)

    def begin_file(self, name: str, content_type: str | None) -> None:
        """Name the file whose bytes follow; raises BadRequest for a second one."""
        if self._name is not None:
            raise BadRequest("Send exactly one file; this request has several.")
        self._name = name
        self._content_type = (content_type or self._content_type)[:100]

    def write(self, data: bytes) -> None:
        """Store a chunk of the file.

        Raises TooLarge, UnsupportedMedia, TooManyJobs, StorageFull, StoreUnavailable or DatabaseUnavailable.
        """
        self._received += len(data)
        if self._received > self._largest:
            raise TooLarge(f"A video may have at most {self._largest} bytes.")
        if self._writer is not None and self._lease is not None:
            self._lease.extend(self._received)
            self._writer.write(data)
            return
        self._beginning += data
        if len(self._beginning) >= SIGNATURE_BYTES:
            self._open()

    def commit(self) -> Job:
        """Make the file durable and queue its job; return the job."""
        if self._name is None:
            raise BadRequest("Send exactly one file; this request has none.")
        if not self._received:
            raise BadRequest("The file is empty.")
        writer = self._writer or self._open()
        job = self._job
        assert job is not None
        size = writer.commit()
        if not self._services.jobs.queue(job.id, video_bytes=size, options=self._options.to_json()):
            raise StoreUnavailable(GAVE_UP)
        self._committed = True
        queued = self._services.jobs.find(job.id)
        assert queued is not None
        return queued

    def _open(self) -> MediaWriter:
        """Write the row, then begin the file with the bytes held back."""
        if not is_known_format(self._beginning):
            raise UnsupportedMedia(f"This is not a media file in a supported format: {FORMAT_NAMES}.")
        job = self._receive()
        info = MediaInfo(job.username, job.file_name, job.content_type, job.id)
        self._writer = self._services.videos.create(job.video_fid, info)
        self._writer.write(self._beginning)
        return self._writer

    def _receive(self) -> Job:
        jobs, limits, reserved = self._services.jobs, self._limits, max(self._reserved, len(self._beginning))
        job = self._job = jobs.receive(
            username=self._username,
            file_name=self._name or "video",
            content_type=self._content_type,
            traceparent=current_traceparent(),
            options=self._options.to_json(),
            reservation=Reservation(reserved, limits),
        )
        bind_job(job.id)
        self._lease = UploadLease(jobs, job, reserved=reserved, largest=self._largest, limits=limits)
        return job

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._committed or self._job is None:
            return
        if self._writer is not None:
            self._writer.abort()
        try:
            if self._services.jobs.delete(self._job.id):
                dispose(self._job, self._services)
        except SoundliftError as trouble:
            log.warning("upload left to cleanup", code=trouble.code, **trouble.evidence)
