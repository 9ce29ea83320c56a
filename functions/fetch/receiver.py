"""The stored copy of a file that is being imported, which another attempt can continue."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from soundlift.common.audio.formats import FORMAT_NAMES, SIGNATURE_BYTES, is_known_format
from soundlift.common.errors import SoundliftError, StorageFull, StoreUnavailable, Unavailable, UploadSuperseded
from soundlift.common.jobs.heartbeat import ClaimLost
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import ImportClaim, Job, StoredPart
from soundlift.common.jobs.quota import Reservation
from soundlift.common.media import LimitedSpace, MediaInfo
from soundlift.common.media.resumable import ResumableWriter, resumable_files
from soundlift.common.services import Services

from .failures import FAILED, NOT_MEDIA, STORAGE_FULL, ImportFailed

RESERVATION_BYTES = 16 * 2**20  # reserved at a time for a file of unknown length
BLOCK_BYTES = 2**20  # written at a time: stores are slower with smaller blocks
WEB_PAGE = "text/html"
IS_WEB_PAGE = "The URL leads to a web page. Import the address of the video file itself."
IS_NOT_MEDIA = f"This is not a media file in a supported format: {FORMAT_NAMES}."


class Receiver:
    """A video that is written while it arrives, after the part that earlier attempts have stored; a context manager.

    Its owner's storage is reserved ahead. Nothing is written until the first bytes show the format. What the row names
    is never lost: if the process is killed, another attempt continues there.
    """

    def __init__(self, job: Job, claim: ImportClaim, limits: Limits, services: Services) -> None:
        self._job = job
        self._claim = claim
        self._limits = limits
        self._services = services
        self._files = resumable_files(services.videos)
        self._buffer = bytearray()
        self._part = claim.part
        self._received = claim.part.received if claim.part else 0
        self._reserved = (job.video_bytes or 0) if claim.part else 0
        self._committed_at = time.monotonic()
        self._writer: ResumableWriter | None = None

    def expect(self, part: StoredPart) -> None:
        """Set what is known of the file, and reserve storage for it; raises what `write` raises."""
        videos, self._part = self._services.videos, part
        videos.check()
        if isinstance(videos, LimitedSpace) and videos.free_bytes() < (part.length or 0):
            raise StoreUnavailable("The disk of the media store is too full for this file.")
        self._reserve(part.length or 0)

    def write(self, data: bytes) -> None:
        """Store a block of the file.

        Raises ImportFailed if the file is not media or its owner's storage is full, ClaimLost, UploadSuperseded,
        StoreUnavailable, MediaNotFound or DatabaseUnavailable.
        """
        self._received += len(data)
        self._buffer += data
        if self._received > self._reserved:
            self._reserve(
                max(self._received - self._reserved, RESERVATION_BYTES), least=self._received - self._reserved
            )
        if len(self._buffer) >= (BLOCK_BYTES if self._writer else SIGNATURE_BYTES) or self._is_due():
            self._flush()
            self._commit_if_due()

    def commit(self) -> StoredPart:
        """Make the file durable and readable, and return its description; raises what `write` raises."""
        if not self._received:
            raise ImportFailed(FAILED, "The server sent an empty file.")
        part = self._part
        assert part is not None
        if part.received != part.length:
            self._flush()
            self._part = replace(part, length=self._received)  # the server has ended the file here
            part = self._checkpoint(complete=True)
        self._files.finish(self._claim.video_fid, part.state, self._info(part), size=part.received)
        return part

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is None:
            return
        if type(error) is Unavailable:  # the process has to stop, between two blocks
            with suppress(SoundliftError):
                self._checkpoint(complete=True)
        self._writer.close(discard=isinstance(error, UploadSuperseded))

    def _flush(self) -> None:
        writer = self._open()
        if self._buffer:
            writer.write(bytes(self._buffer))
            self._buffer.clear()

    def _open(self) -> ResumableWriter:
        """Return the writer; before the first one of a new file, check the format and begin the file."""
        if self._writer is not None:
            return self._writer
        part, fid = self._part, self._claim.video_fid
        assert part is not None
        if not part.state:
            if not is_known_format(bytes(self._buffer)):
                raise ImportFailed(NOT_MEDIA, IS_WEB_PAGE if part.content_type == WEB_PAGE else IS_NOT_MEDIA)
            expected = part.length or self._limits.largest_upload
            part = self._save(part, state=self._files.begin(fid, self._info(part), expected_bytes=expected))
        self._writer = self._files.resume(
            fid, part.state, offset=part.received, epoch=self._claim.epoch, save=self._save_state
        )
        return self._writer

    def _is_due(self) -> bool:
        seconds = time.monotonic() - self._committed_at
        return self._writer is not None and seconds >= self._writer.checkpoint_seconds

    def _commit_if_due(self) -> None:
        writer, part = self._open(), self._part
        assert part is not None
        if self._is_due():
            self._checkpoint(complete=True)
        elif self._received - part.received >= writer.checkpoint_bytes:
            self._checkpoint(complete=False)

    def _checkpoint(self, *, complete: bool) -> StoredPart:
        """Record what is stored. If that is the whole file, its last part is stored, and it only has to be finished."""
        writer, part = self._open(), self._part
        assert part is not None
        is_last = self._received == part.length and not self._buffer
        checkpoint = writer.checkpoint(complete=complete or is_last, last=is_last)
        part = self._save(part, received=checkpoint.offset, state=checkpoint.state)
        writer.committed()
        self._committed_at = time.monotonic()
        return part

    def _save_state(self, state: str) -> None:
        assert self._part is not None
        self._save(self._part, state=state)

    def _save(self, part: StoredPart, **values: Any) -> StoredPart:
        self._part = replace(part, **values)
        self._services.jobs.save_import(self._claim, self._part)
        return self._part

    def _info(self, part: StoredPart) -> MediaInfo:
        return MediaInfo(
            self._job.username, self._job.file_name, part.content_type or self._job.content_type, self._job.id
        )

    def _reserve(self, size: int, *, least: int | None = None) -> None:
        """Reserve bytes, or only the `least` of them if there is not enough space."""
        try:
            self._reserve_exactly(size)
        except StorageFull as error:
            if least is None or least == size:
                raise ImportFailed(STORAGE_FULL, error.detail) from None
            self._reserve(least)

    def _reserve_exactly(self, size: int) -> None:
        reservation = Reservation(size, self._limits)
        if not self._services.jobs.reserve_import(self._claim, self._job.username, reservation):
            raise ClaimLost
        self._reserved += size
