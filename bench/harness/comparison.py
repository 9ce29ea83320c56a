"""Compares two implementations by alternating between them, and checks the goal."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

ROUNDS = 5


@dataclass(frozen=True)
class Sample:
    """One measurement: a figure in the row's unit, and the peak memory of all processes involved, in MB."""

    value: float
    peak_mb: float | None = None


@dataclass(frozen=True)
class Goal:
    """An upper or lower bound on a row's `ratio`, on `ours`, or on the difference `added` to the baseline."""

    bound: float
    at_least: bool = False
    of: Literal["ratio", "ours", "added"] = "ratio"

    def __str__(self) -> str:
        return f"{self.of} {'>=' if self.at_least else '<='} {self.bound:g}"

    def is_met(self, value: float) -> bool:
        """Return whether a figure is within the bound."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Row:
    """A row of the table: its unit, its goal, and the number of rounds measured after the warm-up."""

    name: str
    unit: str
    goal: Goal | None = None
    rounds: int = ROUNDS
    warm_up: int = 1


@dataclass(frozen=True)
class Result:
    """A measured row; `baseline` and `ratio` are None if there is nothing to compare with."""

    row: Row
    ours: Sample
    baseline: Sample | None = None
    ratio: float | None = None

    @property
    def added(self) -> float | None:
        """Return our figure minus the baseline's."""
        return None if self.baseline is None else self.ours.value - self.baseline.value

    @property
    def met(self) -> bool | None:
        """Return whether the goal is met, or None without a goal or a figure for it."""
        goal = self.row.goal
        if goal is None:
            return None
        value = {"ratio": self.ratio, "ours": self.ours.value, "added": self.added}[goal.of]
        return None if value is None else goal.is_met(value)

    def as_record(self) -> dict[str, Any]:
        """Return the row as a record of the JSON file."""
        return {
            "row": self.row.name,
            "ours": self.ours.value,
            "baseline": self.baseline and self.baseline.value,
            "ratio": self.ratio,
            "unit": self.row.unit,
            "peak_rss_mb": self.ours.peak_mb,
            "baseline_peak_rss_mb": self.baseline and self.baseline.peak_mb,
            "goal": self.row.goal and str(self.row.goal),
            "met": self.met,
        }


Run = Callable[[], Sample]


def compare(row: Row, ours: Run, baseline: Run) -> Result:
    """Measure alternately, A B then B A, and return the medians.

    The ratio is the median of the rounds' ratios, because a temporary slowdown of the machine affects both sides of a
    round.
    """
    pairs = [_pair(ours, baseline, turn) for turn in range(row.warm_up + row.rounds)][row.warm_up :]
    own, other = (_median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(mine.value / theirs.value for mine, theirs in pairs)
    return Result(row, own, other, ratio)


def _pair(ours: Run, baseline: Run, turn: int) -> tuple[Sample, Sample]:
    if turn % 2:
        other = baseline()
        return ours(), other
    return ours(), baseline()


def _median(samples: tuple[Sample, ...]) -> Sample:
    peaks = [sample.peak_mb for sample in samples if sample.peak_mb is not None]
    return Sample(statistics.median(sample.value for sample in samples), max(peaks, default=None))
