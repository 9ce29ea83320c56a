"""Hands the time by which a request's body must have arrived from the application to the connection it comes from."""

from __future__ import annotations

import time
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("body_deadline", default=None)


def limit_body_time(seconds: float | None) -> None:
    """Let the body of the request at hand arrive within so many seconds from now; None lifts the limit."""
    _deadline.set(None if seconds is None else time.monotonic() + seconds)


def body_seconds_left() -> float | None:
    """Return how many seconds the body of the request at hand still has, None where nothing limits them."""
    deadline = _deadline.get()
    return None if deadline is None else deadline - time.monotonic()
