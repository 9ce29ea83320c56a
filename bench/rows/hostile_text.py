"""Checks that no text from an uploader or a file takes more than linear time to parse."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.harness.comparison import Goal, Result, Row, Sample
from bench.inputs.worst_cases import CASES, LARGE, SMALL, WorstCase

MAX_RATIO = 8  # a linear parser takes 4 times as long for the larger text, a quadratic one 16 times
ROUNDS = 5
MIN_SECONDS = 0.0005  # shorter times are mostly clock noise


@dataclass(frozen=True)
class Timing:
    """The seconds taken by a worst case at both sizes."""

    case: WorstCase
    small: float
    large: float

    @property
    def ratio(self) -> float:
        """Return the time at the large size divided by that at the small size."""
        return max(self.large, MIN_SECONDS) / max(self.small, MIN_SECONDS)


def hostile_text(row: Row) -> Result:
    """Compare the time for 1 MB with the time for 256 KB, for the case with the largest ratio."""
    worst = max(map(_measure, CASES), key=lambda one: one.ratio)
    if worst.ratio > MAX_RATIO:
        print(f"Not linear: {worst.case.name}.")
    return Result(row, Sample(worst.large * 1000), Sample(worst.small * 1000), worst.ratio)


def _measure(case: WorstCase) -> Timing:
    return Timing(case, *(_seconds(case.read, case.make(size)) for size in (SMALL, LARGE)))


def _seconds(read: Callable[[bytes], Any], text: bytes) -> float:
    """Return the processor time of the fastest of several rounds, which other processes affect least."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        read(text)
        rounds.append(time.process_time() - began)
    return min(rounds)


ROWS: dict[Row, Callable[[Row], Result]] = {Row("hostile-text", "ms", Goal(MAX_RATIO)): hostile_text}
