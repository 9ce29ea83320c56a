"""A minimum rate for request bodies, so that a slow client cannot hold a thread for long."""

from __future__ import annotations

import time
from collections.abc import Callable

from gunicorn.http.unreader import SocketUnreader

from soundlift.common.errors import TooSlow
from soundlift.common.web.body_deadline import body_seconds_left

MIN_BYTES_PER_SECOND = 1000
PERIOD_SECONDS = 20.0


class MinimumRateUnreader(SocketUnreader):  # type: ignore[misc]  # gunicorn carries no type hints
    """gunicorn's source of a connection's bytes, which raises TooSlow below a minimum rate or after a deadline.

    In each PERIOD_SECONDS of waiting for the client, MIN_BYTES_PER_SECOND must arrive on average. The time that the
    application takes between two reads does not count. The application sets the deadline (body_deadline.py); chunk
    extensions and trailers do not extend it.
    """

    def __init__(self, sock: object, on_slow: Callable[[], None]) -> None:
        super().__init__(sock)
        self._waited = 0.0
        self._received = 0
        self._on_slow = on_slow

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next bytes, or none at the end; raises TooSlow, or TimeoutError after the socket's own timeout."""
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
        left = PERIOD_SECONDS - self._waited
        return left if deadline is None else min(left, deadline)

    def _record(self, seconds: float, received: int) -> None:
        self._waited += seconds
        self._received += received
        if self._waited >= PERIOD_SECONDS:
            if self._received < MIN_BYTES_PER_SECOND * PERIOD_SECONDS:
                raise self._error("The request's body arrives too slowly. Send it again over a faster connection.")
            self._waited, self._received = 0.0, 0

    def _error(self, detail: str) -> TooSlow:
        self._on_slow()
        return TooSlow(detail)
