"""How long a failed sign-in takes, so that the time tells nothing about its account."""

from __future__ import annotations

import time
from collections import deque

SAMPLES = 31
MAX_SECONDS = 0.25  # a waiting request occupies a thread
FIRST_SECONDS = 0.05  # before any has been measured


class FailureTime:
    """The usual time of this process's recent sign-ins that failed at the password, whether the account exists or not.

    One that is refused without hashing the password, or whose hash is faster to compute than new ones, waits for as
    long as the others took. Hashing a password in its place would leave a stranger more of the processor.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=SAMPLES)

    def record(self, began: float) -> None:
        """Record the time of a sign-in whose password was verified, and that began at a time of the monotonic clock."""
        self._recent.append(time.monotonic() - began)

    def wait(self, began: float) -> None:
        """Wait until a sign-in has taken as long as usual, at most MAX_SECONDS."""
        usual = min(sorted(self._recent)[len(self._recent) // 2], MAX_SECONDS) if self._recent else FIRST_SECONDS
        time.sleep(max(0.0, began + usual - time.monotonic()))
