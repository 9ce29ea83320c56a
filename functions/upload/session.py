"""One upload, from its first byte to its queued job, with rollback of an incomplete one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import TracebackType
from typing import Self

import structlog

from soundlift.common.audio.formats import SIGNATURE_BYTES
from soundlift.common.errors import (
    BadRequest,
    DatabaseUnavailable,
    SoundliftError,
    StoreUnavailable,
    TooLarge,
)
from soundlift.common.jobs.disposal import dispose
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import HIDDEN, Job
from soundlift.common.jobs.quota import Reservation
from soundlift.common.jobs.upload_keys import UploadKey
from soundlift.common.logging import bind_job, current_traceparent
from soundlift.common.media import MediaInfo, MediaWriter
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.options.parsing import parse_options, parse_options_so_far
from soundlift.common.services import Services
from soundlift.common.webhooks.named import require_webhook

from .content_type import DEFAULT_TYPE, checked_type
from .earlier import find_job_or_take_over
from .idempotency_key import KeyedRequest
from .known_format import require_known_format
from .lease import ABANDONED, UploadLease

log = structlog.get_logger()


class UploadSession:
    """An upload in progress: a job row, then a stored file; on exit, both are deleted unless they were committed.

    Nothing is written until the first bytes show the format, so that a rejected file leaves no trace.
    """

    def __init__(
        self,
        services: Services,
        username: str,
        limits: Limits,
        *,
        announced_bytes: int,
        keyed: KeyedRequest | None = None,
    ) -> None:
        """Prepare for a body of `announced_bytes`, 0 if unknown; a form's body is slightly longer than its file.

        `keyed` is the request, if it has a key by which an earlier upload of the same file is recognized.
        """
        self._services = services
        self._username = username
        self._limits = limits
        self._max_bytes = limits.largest_upload
        self._expected_bytes = min(announced_bytes, self._max_bytes)
        self._given_options: list[tuple[str, str]] = []
        self._options = AudioOptions.defaults(services.settings)
        self._webhook: tuple[str, str] | None = None  # as it was given, and its id
        self._file_name: str | None = None
        self._content_type = DEFAULT_TYPE
        self._beginning = b""
        self._received_bytes = 0
        self._keyed = keyed
        self._key: UploadKey | None = None
        self.earlier: Job | None = None
        self._job: Job | None = None
        self._lease: UploadLease | None = None
        self._writer: MediaWriter | None = None
        self._committed = False

    def add_options(self, given: Iterable[tuple[str, str]]) -> None:
        """Add options as pairs of name and value; raises BadOption."""
        self._given_options += given
        self._options = self._with_webhook(parse_options_so_far(self._given_options, self._services.settings))

    def complete_options(self) -> None:
        """Check the options, of which none follow; raises BadOption."""
        self._options = self._with_webhook(parse_options(self._given_options, self._services.settings))

    def _with_webhook(self, options: AudioOptions) -> AudioOptions:
        """Return options that name a webhook by its id; raises BadOption for one that the user does not have.

        Before the file begins, an earlier upload may be found, whose webhook may have been removed since.
        """
        if options.webhook is None or self._file_name is None or self.earlier is not None:
            return options
        if self._webhook is None or self._webhook[0] != options.webhook:
            named = require_webhook(options.webhook, self._username, self._services)
            self._webhook = options.webhook, named
        return replace(options, webhook=self._webhook[1])

    def begin_file(self, name: str, content_type: str | None) -> bool:
        """Begin the file whose bytes follow, and return whether they are needed: not if `earlier` is the same upload.

        Raises BadRequest if it is the second file, UnsupportedMedia for a type that holds several files, or a mail,
        UploadInProgress, UploadDeleted or IdempotencyKeyReused.
        """
        if self._file_name is not None:
            raise BadRequest("The request has several files; send exactly one.")
        self._content_type = checked_type(content_type)
        self._file_name = name
        if self._keyed:
            self._key = self._keyed.key_of(self._given_options, name, self._content_type)
            self.earlier = find_job_or_take_over(self._key, self._services.jobs)
        self._options = self._with_webhook(self._options)
        return self.earlier is None

    def write(self, data: bytes) -> None:
        """Store a chunk of the file.

        Raises TooLarge, UnsupportedMedia, UploadInProgress, TooManyJobs, StorageFull, TooManyUploads, TooManyMinutes,
        StoreUnavailable or DatabaseUnavailable.
        """
        self._received_bytes += len(data)
        if self._received_bytes > self._max_bytes:
            raise TooLarge(f"A video may have at most {self._max_bytes} bytes.")
        if self._writer is not None and self._lease is not None:
            self._lease.extend(self._received_bytes)
            self._writer.write(data)
            return
        self._beginning += data
        if len(self._beginning) >= SIGNATURE_BYTES:
            self._open_writer()

    def commit(self) -> Job:
        """Make the file durable and queue its job; return the job.

        If another upload has taken its place, cleanup may have deleted the row already, so nobody else knows the file.
        """
        if self._file_name is None:
            raise BadRequest("The request has no file; send exactly one.")
        if not self._received_bytes:
            raise BadRequest("The file is empty; choose another one.")
        writer = self._writer or self._open_writer()
        job = self._job
        assert job is not None
        queued = self._queue(job, writer.commit())
        if queued is None:
            self._services.videos.delete(job.video_fid)
            raise StoreUnavailable(ABANDONED)
        self._committed = True
        return queued

    def _queue(self, job: Job, size: int) -> Job | None:
        """Queue a job and return it, or None if it was abandoned meanwhile.

        A connection may fail after its commit; the job is then queued and may already be further on.
        """
        try:
            return self._services.jobs.queue(job.id, video_bytes=size, options=self._options.to_json())
        except DatabaseUnavailable:
            if self._roll_back(job):
                raise
            found = self._services.jobs.find(job.id)
            return None if found is None or found.state in HIDDEN else found

    def _open_writer(self) -> MediaWriter:
        """Create the job, then begin its file with the bytes received so far."""
        require_known_format(self._beginning)
        job = self._create_job()
        info = MediaInfo(job.username, job.file_name, job.content_type, job.id)
        self._writer = self._services.videos.create(job.video_fid, info)
        self._writer.write(self._beginning)
        return self._writer

    def _create_job(self) -> Job:
        jobs, limits, reserved = self._services.jobs, self._limits, max(self._expected_bytes, len(self._beginning))
        job = self._job = jobs.receive(
            username=self._username,
            file_name=self._file_name or "video",
            content_type=self._content_type,
            traceparent=current_traceparent(),
            options=self._options.to_json(),
            reservation=Reservation(reserved, limits),
            key=self._key,
        )
        bind_job(job.id)
        self._lease = UploadLease(jobs, job, reserved=reserved, max_bytes=self._max_bytes, limits=limits)
        return job

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lease is not None:
            self._lease.end()
        if self._committed or self._job is None:
            return
        if self._writer is not None:
            self._writer.abort()
        try:
            self._roll_back(self._job)
        except SoundliftError as cleanup_error:
            log.warning("upload left to cleanup", code=cleanup_error.code, **cleanup_error.evidence)

    def _roll_back(self, job: Job) -> bool:
        """Delete a job and its file unless the job is queued; return whether this call moved it to deleted."""
        rolled_back = self._services.jobs.roll_back(job.id)
        if rolled_back:
            dispose(job, self._services)
        return rolled_back
