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


def wait_for_success(step: Callable[[], Found], error: type[Exception], what: str) -> Found:
    """Return what a step returns once it does not raise the error any more, which it raises after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return step()
        except error as raised:
            if time.monotonic() > deadline:
                raised.add_note(f"timed out after {DEADLINE_SECONDS} s waiting until {what}")
                raise
        time.sleep(POLL_SECONDS)
