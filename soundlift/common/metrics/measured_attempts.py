"""The attempts that the claims of one kind allow, measured."""

from __future__ import annotations

from prometheus_client import Counter

from soundlift.common.metrics.metrics import NO_CODE
from soundlift.common.metrics.stopwatches import Stopwatches

FAILED, RELEASED, LOST = "failed", "released", "lost"
GAVE_UP = "gave_up"


class MeasuredAttempts:
    """Attempts that are timed from their claim on, and counted by outcome and code of the failure at their end."""

    def __init__(self, counter: Counter, *, success: str) -> None:
        """Count from the start on, so that a rate includes the first one."""
        self._counter = counter
        self._running = Stopwatches()
        for outcome in (success, RELEASED, LOST):
            counter.labels(outcome, NO_CODE)
        counter.labels(FAILED, GAVE_UP)

    def start(self, token: str) -> None:
        """Begin to time the attempt of a claim."""
        self._running.start(token)

    def end(self, token: str, outcome: str, code: str = NO_CODE) -> float | None:
        """Count the end of an attempt once, and return how many seconds it lasted; None if it is not running."""
        seconds = self._running.stop(token)
        if seconds is not None:
            self._counter.labels(outcome, code).inc()
        return seconds

    def give_up(self) -> None:
        """Count a failure whose last attempt ended without a word."""
        self._counter.labels(FAILED, GAVE_UP).inc()
