"""The limits of one request."""

from __future__ import annotations

import time
from dataclasses import dataclass

from soundlift.common.outbound.errors import ResponseTimeout


@dataclass(frozen=True, kw_only=True)
class OutboundLimits:
    """The limits of a request and its response; times in seconds.

    `connect_seconds` is for each host, with all its addresses and TLS; `head_seconds` lasts until the head of the
    response is complete, `idle_seconds` until each further block arrives, and `total_seconds` from the first connection
    to the last byte. After `grace_seconds`, the body must arrive with at least `least_rate` bytes per second, measured
    again in each period of this length.
    """

    connect_seconds: float = 10.0
    head_seconds: float = 20.0
    idle_seconds: float = 20.0
    total_seconds: float = 60.0
    grace_seconds: float = 30.0
    least_rate: int = 0
    max_bytes: int = 2**20
    max_head_bytes: int = 64 * 2**10
    max_redirects: int = 5


class Deadline:
    """The moment, on the monotonic clock, at which something must be complete."""

    def __init__(self, seconds: float, *, no_later_than: Deadline | None = None) -> None:
        """Set the deadline to `seconds` from now, or to an earlier one."""
        self._at = time.monotonic() + seconds
        if no_later_than is not None:
            self._at = min(self._at, no_later_than._at)

    def remaining(self) -> float:
        """Return the seconds that are left, always more than 0; raises ResponseTimeout if there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise ResponseTimeout("The server was too slow.")
        return left
