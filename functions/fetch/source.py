"""The file at a URL, received in blocks; a connection that is lost is replaced by one for the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from soundlift.common.jobs.model import StoredPart
from soundlift.common.outbound.client import OutboundClient
from soundlift.common.outbound.errors import ConnectionFailed, OutboundError
from soundlift.common.outbound.limits import OutboundLimits
from soundlift.common.outbound.request import OutboundRequest
from soundlift.common.outbound.response import OutboundResponse

from .failures import FAILED, TIMEOUT, ImportFailed, import_failure
from .validators import is_rest, strong_validator

MAX_LOSSES = 5  # in a row, without a byte between them
LONGEST_PAUSE = 30.0
MAX_RETRY_AFTER = 3600.0
TRANSIENT = (408, 425, 429)
CHANGED = "The file changed while it was imported."


@dataclass(frozen=True)
class SourceLimits:
    """The limits of a download: its size in bytes, its time in seconds, and its least rate in bytes per second."""

    max_bytes: int
    seconds: int
    least_rate: int


class SourceFile:
    """A file at a URL; `head` is the first response, and `length` the size of the file, None until it is known."""

    def __init__(
        self,
        client: OutboundClient,
        url: str,
        limits: SourceLimits,
        *,
        pause: Callable[[float], None],
        part: StoredPart | None = None,
    ) -> None:
        """Prepare to receive a file, or the rest if a part is stored; `pause` waits, and may raise an error."""
        self._client = client
        self._url = url
        self._limits = limits
        self._pause = pause
        self._ends_at = time.monotonic() + limits.seconds
        self.validator = part.validator if part else None
        self.head: OutboundResponse | None = None
        self.length = part.length if part else None
        self.received = part.received if part else 0

    def blocks(self) -> Generator[bytes, None, None]:
        """Yield the file in blocks; raises ImportFailed."""
        losses = 0
        while not self.received or self.received != self.length:
            before = self.received
            try:
                yield from self._rest()
                return
            except OutboundError as error:
                losses = 1 if self.received > before else losses + 1
                if self._time_left() <= 0:
                    raise ImportFailed(
                        TIMEOUT, f"The import took longer than {self._limits.seconds} seconds."
                    ) from None
                if not error.is_transient or not self._can_resume() or losses > MAX_LOSSES:
                    raise import_failure(error) from None
            self._pause(min(2.0 ** (losses - 1), LONGEST_PAUSE, max(0.0, self._time_left())))

    def _rest(self) -> Generator[bytes, None, None]:
        """Yield the file from the first byte that has not been received; raises OutboundError or ImportFailed."""
        headers = {"Accept": "*/*"}
        if self.received and self.validator:
            headers |= {"Range": f"bytes={self.received}-", "If-Range": self.validator}
        limits = OutboundLimits(
            total_seconds=max(0.001, self._time_left()),
            max_bytes=self._limits.max_bytes - self.received,
            least_rate=self._limits.least_rate,
        )
        request = OutboundRequest(url=self._url, headers=headers, limits=limits, follow_redirects=True)
        with self._client.open(request) as response:
            self._check(response)
            while block := response.read():
                self.received += len(block)
                if self.length is not None and self.received > self.length:
                    raise ImportFailed(FAILED, CHANGED, is_transient=True)
                yield block
        if self.length is not None and self.received < self.length:
            raise ConnectionFailed("The connection was lost.")

    def _check(self, response: OutboundResponse) -> None:
        """Check the head of a response; raises ImportFailed unless the bytes that are missing follow."""
        if response.status >= HTTPStatus.BAD_REQUEST and response.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _refusal(response)
        if self.received:
            if response.status != HTTPStatus.PARTIAL_CONTENT or not self._is_rest(response):
                raise ImportFailed(FAILED, CHANGED, is_transient=True)
            return
        if response.status != HTTPStatus.OK:
            raise _refusal(response)
        self.head = response
        self.length = response.length
        self.validator = strong_validator(response.headers)

    def _is_rest(self, response: OutboundResponse) -> bool:
        return is_rest(response.headers, offset=self.received, length=self.length)

    def _can_resume(self) -> bool:
        return not self.received or self.validator is not None

    def _time_left(self) -> float:
        return self._ends_at - time.monotonic()


def _refusal(response: OutboundResponse) -> ImportFailed:
    """Return the failure for a status that is not the file."""
    status = response.status
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    message = f"The server of the file answered {status} {phrase}".rstrip() + "."
    is_transient = status in TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return ImportFailed(FAILED, message, is_transient=is_transient, retry_after=_retry_after(response))


def _retry_after(response: OutboundResponse) -> float:
    """Return the seconds of Retry-After (RFC 9110, section 10.2.3), at most MAX_RETRY_AFTER; 0 if there is none."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_AFTER)
    try:
        seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
