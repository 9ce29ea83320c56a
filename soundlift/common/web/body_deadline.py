"""The time by which a request's body must have arrived, set by the application and read by the connection."""

from __future__ import annotations

import time
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("body_deadline", default=None)


def limit_body_time(seconds: float | None) -> None:
    """Limit the time for the body of the current request to `seconds` from now; None removes the limit."""
    _deadline.set(None if seconds is None else time.monotonic() + seconds)


def body_seconds_left() -> float | None:
    """Return how many seconds the body of the current request has left, or None if there is no limit."""
    deadline = _deadline.get()
    return None if deadline is None else deadline - time.monotonic()
