"""The response to a request, whose body is read within limits."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from urllib3.response import HTTPResponse

from soundlift.common.outbound.driver_errors import errors_as_ours
from soundlift.common.outbound.errors import BadResponse, ResponseTimeout, ResponseTooLarge
from soundlift.common.outbound.limits import OutboundLimits
from soundlift.common.outbound.sockets import Allowance
from soundlift.common.outbound.url import Url

LENGTH = re.compile("[0-9]{1,18}")
BLOCK_BYTES = 256 * 2**10


class OutboundResponse:
    """A response; `url` is the one that answered, after redirects.

    `headers` ignores the case of names. `length` is the size of the body that the server announced, or None.
    """

    def __init__(self, raw: HTTPResponse, url: Url, limits: OutboundLimits, allowance: Allowance) -> None:
        """Check the head; raises BadResponse or ResponseTooLarge."""
        self.status = raw.status
        self.headers: Mapping[str, str] = raw.headers
        self.url = url
        self._raw = raw
        self._limits = limits
        self._allowance = allowance
        self.length = self._announced_length()
        self._received = 0
        self._period_began = time.monotonic()
        self._period_bytes = 0
        if self.length is not None and self.length > limits.max_bytes:
            raise ResponseTooLarge(f"The response has {self.length} bytes; at most {limits.max_bytes} are accepted.")

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Return the next bytes of the body, at most `size`, as soon as there are some; b"" at its end.

        Raises ConnectionFailed if the body is cut off, ResponseTimeout, BadResponse or ResponseTooLarge.
        """
        if self.length is not None:
            # Python 3.11 returns bytes beyond the length: https://github.com/python/cpython/issues/113199
            size = min(size, self.length - self._received)
            if size == 0:
                return b""
        self._allowance.limit(seconds=self._limits.idle_seconds)
        with errors_as_ours(self.url):
            block = self._raw.read1(size, decode_content=False)
        self._received += len(block)
        if self._received > self._limits.max_bytes:
            raise ResponseTooLarge(f"The response has more than {self._limits.max_bytes} bytes.")
        self._check_rate(len(block))
        return block

    def read_all(self) -> bytes:
        """Return the rest of the body; raises what `read` raises."""
        blocks = []
        while block := self.read():
            blocks.append(block)
        return b"".join(blocks)

    def _announced_length(self) -> int | None:
        """Return the Content-Length, unless the body is chunked; raises BadResponse for codings that are refused."""
        if self.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
            raise BadResponse("The server compressed its response, although it was asked not to.")
        coding = self.headers.get("transfer-encoding", "").strip().lower()
        if coding not in ("", "chunked"):
            raise BadResponse("The response has a transfer coding that is not supported.")
        text = self.headers.get("content-length")
        if coding or text is None:
            return None
        if not LENGTH.fullmatch(text.strip()):
            raise BadResponse("The Content-Length of the response is malformed.")
        return int(text)

    def _check_rate(self, count: int) -> None:
        """Count bytes of the current period; raises ResponseTimeout if it ends with fewer than the least rate."""
        self._period_bytes += count
        seconds = time.monotonic() - self._period_began
        if seconds < self._limits.grace_seconds:
            return
        if self._period_bytes < self._limits.least_rate * seconds:
            raise ResponseTimeout(f"The response arrived with less than {self._limits.least_rate} bytes per second.")
        self._period_began, self._period_bytes = time.monotonic(), 0
