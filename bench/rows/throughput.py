"""Measures many short conversions through queue, connector and convert, against FFmpeg running one after another."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from bench.baselines.bare_ffmpeg import bare_ffmpeg
from bench.harness.comparison import Goal, Result, Row, Sample, Way, compare
from bench.harness.processes import Memory, running, served
from bench.harness.stage import Stage, stage
from bench.inputs.clips import clip
from devservers.waiting import wait_for
from soundlift.common.events import event_for
from soundlift.common.jobs.model import State

CLIPS = 100
SECONDS = 10
LONGEST_SECONDS = 600
CORES = os.cpu_count() or 1


def throughput(row: Row) -> Result:
    """Compare clips per second with what FFmpeg converts one after another, times the number of cores."""
    with stage() as place, served("functions.convert.handler:app", place.environment) as convert:
        environment = {**place.environment, "SUBSCRIBERS": f"video={convert.url}"}
        with running([sys.executable, "-m", "soundlift.connector"], environment):
            _through(place, 2 * CORES)
            return compare(row, _ours(place, convert.pid), _one_by_one(place))


def _ours(place: Stage, pid: int) -> Way:
    def way() -> Sample:
        with Memory(pid) as memory:
            seconds = _through(place, CLIPS)
        return Sample(CLIPS / seconds, memory.peak_mb)

    return way


def _through(place: Stage, count: int) -> float:
    """Return the seconds from the first event's publication until the last MP3 is in the store."""
    jobs = [place.queued_job(clip(SECONDS)) for _ in range(count)]
    began = time.perf_counter()
    for job in jobs:
        place.services.broker.publish(event_for(job))
    wait_for(
        lambda: all(_is_ready(place, job.id) for job in reversed(jobs)), "all is converted", seconds=LONGEST_SECONDS
    )
    seconds = time.perf_counter() - began
    for job in jobs:
        place.forget(job.id)
    return seconds


def _is_ready(place: Stage, job_id: str) -> bool:
    job = place.services.jobs.find(job_id)
    assert job is not None
    assert job.state != State.FAILED, job
    return job.state == State.READY


def _one_by_one(place: Stage) -> Way:
    one = bare_ffmpeg(clip(SECONDS), place.folder / "bare.mp3", ("-q:a", "2"))

    def way() -> Sample:
        return Sample(CORES * CLIPS / sum(one().value for _ in range(CLIPS)))

    return way


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("throughput", "clips/s", Goal(0.85, at_least=True), rounds=3, warm_up=0): throughput,
}
