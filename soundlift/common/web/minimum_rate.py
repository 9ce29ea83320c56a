"""A minimum rate for request bodies and responses, so that a slow client cannot hold a thread for long."""

from __future__ import annotations

import time
from collections.abc import Callable

from gunicorn.http.unreader import SocketUnreader

from soundlift.common.errors import TooSlow
from soundlift.common.web.body_deadline import body_seconds_left

MIN_BYTES_PER_SECOND = 1000
PERIOD_SECONDS = 20.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class MinimumRate:
    """The bytes transferred in each period of waiting for the client; the time between two transfers does not count."""

    def __init__(self, period: float) -> None:
        self._period = period
        self._waited = 0.0
        self._transferred = 0

    @property
    def seconds_left(self) -> float:
        """Return the maximum time to wait for the next bytes."""
        return self._period - self._waited

    def record(self, seconds: float, transferred: int) -> bool:
        """Add a transfer; return False if this ends a period with less than MIN_BYTES_PER_SECOND on average."""
        self._waited += seconds
        self._transferred += transferred
        if self._waited < self._period:
            return True
        is_met = self._transferred >= MIN_BYTES_PER_SECOND * self._period
        self._waited, self._transferred = 0.0, 0
        return is_met


class MinimumRateUnreader(SocketUnreader):  # type: ignore[misc]  # gunicorn carries no type hints
    """gunicorn's source of a connection's bytes, which raises TooSlow below a minimum rate or after a deadline.

    The application sets the deadline (body_deadline.py); chunk extensions and trailers do not extend it. If
    `must_continue`, the client waits for "100 Continue", which it gets before the next bytes are awaited.
    """

    must_continue = False

    def __init__(self, sock: object, on_slow: Callable[[], None]) -> None:
        super().__init__(sock)
        self._rate = MinimumRate(PERIOD_SECONDS)
        self._on_slow = on_slow

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next bytes, or none at the end; raises TooSlow, or TimeoutError after the socket's own timeout."""
        if self.must_continue:
            self.must_continue = False
            self.sock.sendall(CONTINUE)
        socket_timeout = self.sock.gettimeout()
        while True:
            left = self._seconds_left()
            began = time.monotonic()
            self.sock.settimeout(left if socket_timeout is None else min(socket_timeout, left))
            try:
                data: bytes = super().chunk(size_hint)
            except TimeoutError:
                if socket_timeout is not None and socket_timeout < left:
                    raise
                self._record(left, 0)
                continue
            finally:
                self.sock.settimeout(socket_timeout)
            self._record(time.monotonic() - began, len(data))
            return data

    def _seconds_left(self) -> float:
        """Return the maximum time to wait for the next bytes."""
        deadline = body_seconds_left()
        if deadline is not None and deadline <= 0:
            raise self._error("The request's body did not arrive in time. Send it again.")
        left = self._rate.seconds_left
        return left if deadline is None else min(left, deadline)

    def _record(self, seconds: float, received: int) -> None:
        if not self._rate.record(seconds, received):
            raise self._error("The request's body arrives too slowly. Send it again over a faster connection.")

    def _error(self, detail: str) -> TooSlow:
        self._on_slow()
        return TooSlow(detail)
