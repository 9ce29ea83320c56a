"""The stored copy of a file that is being imported, with rollback of an incomplete one."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from soundlift.common.audio.formats import FORMAT_NAMES, SIGNATURE_BYTES, is_known_format
from soundlift.common.errors import StorageFull, StoreUnavailable
from soundlift.common.jobs.heartbeat import ClaimLost
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import ImportClaim, Job
from soundlift.common.jobs.quota import Reservation
from soundlift.common.media import LimitedSpace, MediaInfo, MediaWriter
from soundlift.common.services import Services

from .failures import FAILED, NOT_MEDIA, STORAGE_FULL, ImportFailed

RESERVATION_BYTES = 16 * 2**20  # reserved at a time for a file of unknown length
BLOCK_BYTES = 2**20  # written at a time: stores are slower with smaller blocks
WEB_PAGE = "text/html"
IS_WEB_PAGE = "The URL leads to a web page. Import the address of the video file itself."
IS_NOT_MEDIA = f"This is not a media file in a supported format: {FORMAT_NAMES}."


class Receiver:
    """A video that is written while it arrives; a context manager, which removes it unless it was committed.

    Its owner's storage is reserved ahead. Nothing is written until the first bytes show the format.
    """

    def __init__(self, job: Job, claim: ImportClaim, limits: Limits, services: Services) -> None:
        self._job = job
        self._claim = claim
        self._limits = limits
        self._services = services
        self._buffer = bytearray()
        self._received = self._reserved = 0
        self._writer: MediaWriter | None = None
        self._is_complete = False

    def expect(self, length: int) -> None:
        """Reserve storage for a file of a known length; raises what `write` raises."""
        videos = self._services.videos
        videos.check()
        if isinstance(videos, LimitedSpace) and videos.free_bytes() < length:
            raise StoreUnavailable("The disk of the media store is too full for this file.")
        self._reserve(length)

    def write(self, data: bytes, content_type: str | None) -> None:
        """Store a block of the file.

        Raises ImportFailed if the file is not media or its owner's storage is full, ClaimLost, StoreUnavailable or
        DatabaseUnavailable.
        """
        self._received += len(data)
        self._buffer += data
        if self._received > self._reserved:
            self._reserve(
                max(self._received - self._reserved, RESERVATION_BYTES), least=self._received - self._reserved
            )
        if self._writer is None:
            if len(self._buffer) >= SIGNATURE_BYTES:
                self._begin(content_type)
        elif len(self._buffer) >= BLOCK_BYTES:
            self._flush(self._writer)

    def commit(self, content_type: str | None) -> int:
        """Make the file durable, and return its size; raises what `write` raises."""
        if not self._received:
            raise ImportFailed(FAILED, "The server sent an empty file.")
        writer = self._writer or self._begin(content_type)
        self._flush(writer)
        size = writer.commit()
        self._is_complete = True
        return size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is not None and not self._is_complete:
            self._writer.abort()

    def _begin(self, content_type: str | None) -> MediaWriter:
        """Check the format, and begin the file with the bytes received so far."""
        if not is_known_format(bytes(self._buffer)):
            raise ImportFailed(NOT_MEDIA, IS_WEB_PAGE if content_type == WEB_PAGE else IS_NOT_MEDIA)
        job = self._job
        info = MediaInfo(job.username, job.file_name, content_type or job.content_type, job.id)
        self._writer = self._services.videos.create(self._claim.video_fid, info)
        self._flush(self._writer)
        return self._writer

    def _flush(self, writer: MediaWriter) -> None:
        writer.write(bytes(self._buffer))
        self._buffer.clear()

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
