"""Shows where the time of a clip of ten seconds goes: `python -m bench.clip_profile`.

For each step of a conversion on one core, from the choice of the job to its outcome: the processor time of convert and
of the FFmpegs that it starts, and the duration, in milliseconds per clip. The steps are measured in the thread that
converts; the other threads read FFmpeg's log and renew the claim.
"""

from __future__ import annotations

import os
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any

from bench.harness.deployment import temporary_deployment
from bench.inputs.clips import clip
from soundlift.common.events import event_for
from soundlift.common.services import process_services

CLIPS, WARM_UP = 40, 3


def _now() -> list[float]:
    """Return the processor time of this thread and of the ended children, and the clock, in seconds."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [time.thread_time(), children.ru_utime + children.ru_stime, time.perf_counter()]


class Profile:
    """The times of steps, which are functions that are replaced by measured ones."""

    def __init__(self) -> None:
        self._spent: dict[str, list[float]] = defaultdict(lambda: [0.0] * 3)

    def measure(self, step: str, owner: Any, name: str) -> None:
        """Add the times of a function to a step."""
        function: Callable[..., Any] = getattr(owner, name)

        @wraps(function)
        def measured(*arguments: Any, **options: Any) -> Any:
            began = _now()
            try:
                return function(*arguments, **options)
            finally:
                self.add(step, began)

        setattr(owner, name, measured)

    def add(self, step: str, began: list[float]) -> None:
        """Add the times since a moment to a step."""
        spent, now = self._spent[step], _now()
        self._spent[step] = [total + end - start for total, start, end in zip(spent, began, now, strict=True)]

    def print(self) -> None:
        """Print the times of each step for one clip."""
        print(f"{'step':<34}{'convert':>9}{'FFmpeg':>9}{'duration':>10}")
        for step, times in self._spent.items():
            own, children, duration = (1000 * seconds / CLIPS for seconds in times)
            print(f"{step:<34}{own:>9.1f}{children:>9.1f}{duration:>10.1f}")


def main() -> None:
    """Convert clips and print the times."""
    with temporary_deployment(CONVERT_CONCURRENCY="1") as deployment:
        os.environ.update(deployment.environment, LOG_LEVEL="error")
        from functions.convert import conversion, handler
        from soundlift.common.jobs.store import Jobs

        services = process_services()
        jobs = [deployment.queued_job(clip(10)) for _ in range(WARM_UP + CLIPS)]
        for job in jobs[:WARM_UP]:
            handler.convert(event_for(job), services)
        profile = Profile()
        for name in ("find", "next_in_turn", "give_up", "claim"):
            profile.measure("choose and claim the job", Jobs, name)
        profile.measure("probe (FFmpeg)", conversion, "probe_video")
        profile.measure("check the minutes of the day", conversion, "_reserve_sound")
        profile.measure("encode (FFmpeg)", conversion, "encode")
        profile.measure("check timestamps", conversion, "check_timestamps")
        profile.measure("length, tags and waveform", conversion, "finish")
        profile.measure("store the file", handler, "store_audio")
        profile.measure("mark the job as ready", Jobs, "mark_ready")
        began, process = _now(), time.process_time()
        for job in jobs[WARM_UP:]:
            handler.convert(event_for(job), services)
        profile.add("all steps, and what is between them", began)
        profile.print()
        print(f"{'all threads':<34}{1000 * (time.process_time() - process) / CLIPS:>9.1f}")


if __name__ == "__main__":
    main()
