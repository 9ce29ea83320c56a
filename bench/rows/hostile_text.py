"""Measures that no text of an uploader or a file takes more than linear time to read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.harness.comparison import Goal, Result, Row, Sample
from bench.inputs.worst_cases import CASES, LARGE, SMALL, WorstCase

MOST_RATIO = 8  # a linear parser takes 4 times as long for the larger text, a quadratic one 16 times
ROUNDS = 5
LEAST_SECONDS = 0.0005  # a shorter time is mostly the noise of the clock


@dataclass(frozen=True)
class Measured:
    """The seconds that a worst case takes in either size."""

    case: WorstCase
    small: float
    large: float

    @property
    def ratio(self) -> float:
        """Return how many times as long the large one takes."""
        return max(self.large, LEAST_SECONDS) / max(self.small, LEAST_SECONDS)


def hostile_text(row: Row) -> Result:
    """Compare the time for 1 MB with the time for 256 KB, for the case with the largest ratio."""
    worst = max(map(_measured, CASES), key=lambda one: one.ratio)
    if worst.ratio > MOST_RATIO:
        print(f"Not linear: {worst.case.name}.")
    return Result(row, Sample(worst.large * 1000), Sample(worst.small * 1000), worst.ratio)


def _measured(case: WorstCase) -> Measured:
    return Measured(case, *(_seconds(case.read, case.make(size)) for size in (SMALL, LARGE)))


def _seconds(read: Callable[[bytes], Any], text: bytes) -> float:
    """Return the processor time of the fastest of several rounds, which other processes do not affect."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        read(text)
        rounds.append(time.process_time() - began)
    return min(rounds)


ROWS: dict[Row, Callable[[Row], Result]] = {Row("hostile-text", "ms", Goal(MOST_RATIO)): hostile_text}
