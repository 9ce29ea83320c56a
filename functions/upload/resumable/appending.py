"""The bytes of one request, added to a resumable upload."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Self

import structlog
from werkzeug.exceptions import ClientDisconnected

from soundlift.common.audio.formats import SIGNATURE_BYTES
from soundlift.common.errors import (
    BadRequest,
    ChecksumMismatch,
    SoundliftError,
    StorageFull,
    TooLarge,
    TooSlow,
    UnsupportedMedia,
    UploadSuperseded,
)
from soundlift.common.jobs.arrivals import media_info
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import State
from soundlift.common.jobs.quota import Reservation
from soundlift.common.jobs.resumable_uploads import ResumableUpload
from soundlift.common.media.resumable import ResumableWriter, resumable_files
from soundlift.common.services import Services

from ..known_format import require_known_format
from .blocks import read_blocks
from .headers import Checksum

RESERVATION_BYTES = 16 * 2**20  # reserved at a time for an upload of unknown length
TOUCH_SECONDS = 60.0  # between two changes of a row whose bytes wait for their checksum
# After these errors, what has arrived so far is as good as ever.
INTERRUPTIONS = (BadRequest, TooSlow, ClientDisconnected, TooLarge, StorageFull)

log = structlog.get_logger()


class Appending:
    """The bytes of one request, from the offset of the upload on, and the commits of those that are stored.

    The first bytes are kept in the row until they show the format, so that a file that is refused reaches no store.
    With a checksum, nothing is committed before all bytes have arrived and match it.
    """

    def __init__(self, services: Services, upload: ResumableUpload, limits: Limits, checksum: Checksum | None) -> None:
        assert upload.job is not None
        self._services = services
        self._upload = upload
        self._job = upload.job
        self._limits = limits
        self._checksum = checksum
        self._rows = services.resumable_uploads
        self._files = resumable_files(services.videos)
        self._max_bytes = limits.largest_upload if upload.length is None else upload.length
        self._reserved = upload.job.video_bytes or 0
        self._beginning = upload.beginning or b""
        self._position = self._committed = upload.received
        self._committed_at = time.monotonic()
        self._writer: ResumableWriter | None = None

    def receive(self, stream: IO[bytes]) -> None:
        """Add the body of a request, and commit what has arrived even if it is cut off, unless it has a checksum.

        Raises TooLarge, StorageFull, UnsupportedMedia, ChecksumMismatch, UploadSuperseded, StoreUnavailable or
        DatabaseUnavailable, or the error of the body.
        """
        blocks = read_blocks(stream)
        try:
            for block in blocks:
                self._add(block)
        except UnsupportedMedia:
            if self._checksum:
                self._verify(self._checksum, blocks)  # the bytes that show the format may have been damaged
            raise
        except INTERRUPTIONS:
            if not self._checksum:
                self._commit(complete=True)
            raise
        if self._checksum:
            self._checksum.verify()
        self._commit(complete=True)

    def _verify(self, checksum: Checksum, rest: Iterator[bytes]) -> None:
        """Raise ChecksumMismatch unless all bytes of the request match, without storing the rest of them."""
        position = self._position
        for block in rest:
            checksum.update(block)
            position += len(block)
            if position > self._max_bytes:
                return
        checksum.verify()

    def _add(self, block: bytes) -> None:
        if self._position + len(block) > self._max_bytes:
            raise TooLarge(f"The upload may have at most {self._max_bytes} bytes.")
        self._reserve(len(block))
        if self._checksum:
            self._checksum.update(block)
        self._position += len(block)
        if self._writer is None and self._upload.state is None:
            self._beginning += block
            if len(self._beginning) >= SIGNATURE_BYTES:
                self._open()
        else:
            self._open().write(block)
        self._commit_if_due()

    def _reserve(self, size: int) -> None:
        """Count bytes beyond those reserved for the quota: many blocks, or only this one if there is no more space."""
        missing = self._position + size - self._reserved
        if missing <= 0:
            return
        try:
            self._reserve_exactly(max(missing, min(RESERVATION_BYTES, self._max_bytes - self._reserved)))
        except StorageFull:
            self._reserve_exactly(missing)

    def _reserve_exactly(self, size: int) -> None:
        keep = self._services.settings.resume_seconds
        if not self._services.jobs.reserve(self._job, Reservation(size, self._limits), keep_seconds=keep):
            raise UploadSuperseded
        self._reserved += size

    def _open(self) -> ResumableWriter:
        """Return the writer; before the first one, check the format and begin the file."""
        if self._writer is not None:
            return self._writer
        state = self._upload.state
        if state is None:
            require_known_format(self._beginning)
            state = self._files.begin(self._job.video_fid, media_info(self._job), expected_bytes=self._max_bytes)
            self._rows.save_state(self._upload, state)
        self._writer = self._files.resume(
            self._job.video_fid,
            state,
            offset=0 if self._beginning else self._upload.received,
            epoch=self._upload.epoch,
            save=lambda text: self._rows.save_state(self._upload, text),
        )
        if self._beginning:
            self._writer.write(self._beginning)
        return self._writer

    def _commit_if_due(self) -> None:
        seconds = time.monotonic() - self._committed_at
        if self._checksum:
            if seconds >= TOUCH_SECONDS:
                self._rows.touch(self._upload)
                self._committed_at = time.monotonic()
        elif self._writer is None:
            return
        elif seconds >= self._writer.checkpoint_seconds:
            self._commit(complete=True)
        elif self._position - self._committed >= self._writer.checkpoint_bytes:
            self._commit(complete=False)

    def _commit(self, *, complete: bool) -> None:
        is_last = complete and self._position == self._upload.length
        if self._position == self._committed and not is_last:
            return
        if self._writer is None and self._upload.state is None and not is_last:
            self._rows.save_beginning(self._upload, self._beginning)
            self._committed = self._position
            return
        checkpoint = self._open().checkpoint(complete=complete, last=is_last)
        if checkpoint.offset > self._committed or is_last:
            self._rows.commit(self._upload, received=checkpoint.offset, state=checkpoint.state)
            self._committed = checkpoint.offset
            self._open().committed()
        self._committed_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close(discard=isinstance(error, UploadSuperseded | ChecksumMismatch))
        if isinstance(error, UploadSuperseded):
            self._delete_remains()

    def _delete_remains(self) -> None:
        """Delete what this request has stored after the upload was deleted with its row, which nobody else knows."""
        try:
            job = self._services.jobs.find(self._job.id)
            if job is None or job.state == State.DELETED:
                self._services.videos.delete(self._job.video_fid)
        except SoundliftError as error:
            log.warning("remains of a deleted upload not deleted", code=error.code, **error.evidence)
