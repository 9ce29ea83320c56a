"""Measures many short conversions through queue, connector and convert, against FFmpeg alone."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench.baselines.bare_ffmpeg import bare_ffmpeg
from bench.harness.comparison import Goal, Result, Row, Run, Sample, compare
from bench.harness.deployment import Deployment, temporary_deployment
from bench.harness.processes import Memory, running, served
from bench.inputs.clips import clip
from devservers.waiting import wait_for
from soundlift.common.events import event_for
from soundlift.common.jobs.model import State

CLIPS = 100
QUALITY = ("-q:a", "2")
SECONDS = 10
TIMEOUT_SECONDS = 600
CORES = os.cpu_count() or 1


def throughput(row: Row, baseline: Callable[[Deployment], Run]) -> Result:
    """Compare clips per second with those of FFmpeg alone."""
    with (
        temporary_deployment() as deployment,
        served("functions.convert.handler:app", deployment.environment) as convert,
    ):
        environment = {**deployment.environment, "SUBSCRIBERS": f"video={convert.url}"}
        with running([sys.executable, "-m", "soundlift.connector"], environment):
            _convert_all(deployment, 2 * CORES)
            return compare(row, _ours(deployment, convert.pid), baseline(deployment))


def _ours(deployment: Deployment, pid: int) -> Run:
    def run() -> Sample:
        with Memory(pid) as memory:
            seconds = _convert_all(deployment, CLIPS)
        return Sample(CLIPS / seconds, memory.peak_mb)

    return run


def _convert_all(deployment: Deployment, count: int) -> float:
    """Return the seconds from the first event's publication until the last MP3 is stored."""
    jobs = [deployment.queued_job(clip(SECONDS)) for _ in range(count)]
    began = time.perf_counter()
    for job in jobs:
        deployment.services.broker.publish(event_for(job))
    wait_for(
        lambda: all(_is_ready(deployment, job.id) for job in reversed(jobs)),
        "all clips are converted",
        seconds=TIMEOUT_SECONDS,
    )
    seconds = time.perf_counter() - began
    for job in jobs:
        deployment.delete_files(job.id)
    return seconds


def _is_ready(deployment: Deployment, job_id: str) -> bool:
    job = deployment.services.jobs.find(job_id)
    assert job is not None
    assert job.state != State.FAILED, job
    return job.state == State.READY


def _sequentially(deployment: Deployment) -> Run:
    """Return a run of FFmpeg on one clip after another, times the number of cores, as if each used one core."""
    one = bare_ffmpeg(clip(SECONDS), deployment.folder / "bare.mp3", QUALITY)

    def run() -> Sample:
        return Sample(CORES * CLIPS / sum(one().value for _ in range(CLIPS)))

    return run


def _several(run: Run) -> None:
    for _ in range(CLIPS // CORES):
        run()


def _concurrently(deployment: Deployment) -> Run:
    """Return a run of as many FFmpegs at a time as there are cores."""
    bare = [bare_ffmpeg(clip(SECONDS), deployment.folder / f"{core}.mp3", QUALITY) for core in range(CORES)]

    def run() -> Sample:
        began = time.perf_counter()
        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(_several, bare))
        return Sample(CLIPS // CORES * CORES / (time.perf_counter() - began))

    return run


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("throughput", "clips/s", Goal(0.85, at_least=True), rounds=3, warm_up=0): partial(
        throughput, baseline=_sequentially
    ),
    Row("throughput-at-once", "clips/s", Goal(0.9, at_least=True), rounds=3, warm_up=0): partial(
        throughput, baseline=_concurrently
    ),
}
