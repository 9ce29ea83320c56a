"""Measures a conversion against bare FFmpeg and against the usual implementation of such a function."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.baselines import usual_function
from bench.baselines.bare_ffmpeg import bare_ffmpeg
from bench.harness.comparison import Goal, Result, Row, Run, Sample, compare
from bench.harness.deployment import Deployment, temporary_deployment
from bench.harness.processes import Memory
from bench.inputs.clips import clip
from soundlift.common.events import event_for
from soundlift.common.services import process_services
from soundlift.common.settings import Settings
from soundlift.common.tracing.start import start_tracing

MINUTES = 10
GOAL = Goal(0.65)
VARIABLE = ("-q:a", "2")
CONSTANT = ("-b:a", "192k")


def against_ffmpeg(row: Row, quality: tuple[str, ...], settings: Mapping[str, str]) -> Result:
    """Compare a conversion from store to store with the bare FFmpeg command."""
    video = clip(60 * MINUTES)
    with temporary_deployment(**settings) as deployment, worker(deployment) as pool:
        return compare(row, ours(deployment, pool, video), bare_ffmpeg(video, deployment.folder / "bare.mp3", quality))


def against_usual(row: Row) -> Result:
    """Compare a conversion with the usual implementation, both at 192 kbit/s."""
    video = clip(60 * MINUTES)
    with (
        temporary_deployment(AUDIO_BITRATE="192k") as deployment,
        worker(deployment) as pool,
        worker(deployment) as other,
    ):
        job = deployment.queued_job(video)
        return compare(
            row, ours(deployment, pool, video), in_worker(other, partial(usual_function.convert, job.video_fid))
        )


@contextmanager
def worker(deployment: Deployment) -> Iterator[ProcessPoolExecutor]:
    """Run a process that executes tasks, as a function's worker does."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_begin, initargs=(deployment.environment,)) as pool:
        yield pool


def _begin(environment: Mapping[str, str]) -> None:
    os.environ.update(environment, LOG_LEVEL="error")
    start_tracing(Settings.from_environment(), "bench")


def in_worker(pool: ProcessPoolExecutor, task: Callable[[], float]) -> Run:
    """Return a run of a task, which returns its duration in seconds, in a worker."""

    def run() -> Sample:
        with Memory(pool.submit(os.getpid).result()) as memory:
            seconds = pool.submit(task).result()
        return Sample(seconds, memory.peak_mb)

    return run


def ours(deployment: Deployment, pool: ProcessPoolExecutor, video: Path, options: str | None = None) -> Run:
    """Return a run of our conversion, from the event to the audio file in the store and the state `ready` in the row.

    `options` are those of the row, as JSON.
    """

    def run() -> Sample:
        job = deployment.queued_job(video, options=options)
        sample = in_worker(pool, partial(convert_job, job.id))()
        deployment.delete_files(job.id)
        return sample

    return run


def convert_job(job_id: str) -> float:
    """Convert a queued job and return how many seconds it took."""
    from functions.convert.handler import convert

    services = process_services()
    job = services.jobs.find(job_id)
    assert job is not None
    event = event_for(job)
    began = time.perf_counter()
    assert convert(event, services) is not None
    return time.perf_counter() - began


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("convert-ten-minutes", "s", GOAL): partial(against_ffmpeg, quality=VARIABLE, settings={}),
    Row("convert-ten-minutes-192k", "s", GOAL): partial(
        against_ffmpeg, quality=CONSTANT, settings={"AUDIO_BITRATE": "192k"}
    ),
    Row("convert-usual", "s", rounds=3): against_usual,
}
