"""Polling for a condition until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE_SECONDS = 30
POLL_SECONDS = 0.01
Found = TypeVar("Found")


def wait_for(condition: Callable[[], Found | None], what: str, *, seconds: float = DEADLINE_SECONDS) -> Found:
    """Return the first true value of a condition; raise TimeoutError if there is none before the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"timed out after {seconds:g} s waiting until {what}")
        time.sleep(POLL_SECONDS)
    return found
