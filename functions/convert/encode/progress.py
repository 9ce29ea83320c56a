"""The progress of a run, and the limit on the length of what it writes."""

from __future__ import annotations

from ..plan.plan import Plan
from .encoded import UnreliableTimestamps
from .ffmpeg import OnProgress
from .runner import Runner


def watch(plan: Plan, runner: Runner) -> OnProgress:
    """Return a callback that reports progress, and raises UnreliableTimestamps if the run writes far too much."""
    report, limit = runner.progress(plan.seconds), limit_to(plan.max_seconds)

    def on_progress(seconds: float) -> None:
        report(seconds)
        limit(seconds)

    return on_progress


def limit_to(max_seconds: float | None) -> OnProgress:
    """Return a callback that raises UnreliableTimestamps if a run writes more than `max_seconds` of sound."""

    def on_progress(seconds: float) -> None:
        if max_seconds is not None and seconds > max_seconds:
            raise UnreliableTimestamps

    return on_progress
