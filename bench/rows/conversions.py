"""Measures one conversion against bare FFmpeg and against the usual way to write such a function."""

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
from bench.harness.comparison import Goal, Result, Row, Sample, Way, compare
from bench.harness.processes import Memory
from bench.harness.stage import Stage, stage
from bench.inputs.clips import clip
from soundlift.common.events import event_for
from soundlift.common.services import process_services

MINUTES = 10
GOAL = Goal(0.65)
VARIABLE = ("-q:a", "2")
CONSTANT = ("-b:a", "192k")


def against_ffmpeg(row: Row, quality: tuple[str, ...], settings: Mapping[str, str]) -> Result:
    """Compare a conversion from store to store with the bare FFmpeg command from file to file."""
    video = clip(60 * MINUTES)
    with stage(**settings) as place, worker(place) as pool:
        return compare(row, ours(place, pool, video), bare_ffmpeg(video, place.folder / "bare.mp3", quality))


def against_usual(row: Row) -> Result:
    """Compare a conversion with the usual way to write such a function, both at 192 kbit/s."""
    video = clip(60 * MINUTES)
    with stage(AUDIO_BITRATE="192k") as place, worker(place) as pool, worker(place) as other:
        job = place.queued_job(video)
        return compare(row, ours(place, pool, video), in_worker(other, partial(usual_function.convert, job.video_fid)))


@contextmanager
def worker(place: Stage) -> Iterator[ProcessPoolExecutor]:
    """Run one process that executes tasks, as a function's worker does."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_begin, initargs=(place.environment,)) as pool:
        yield pool


def _begin(environment: Mapping[str, str]) -> None:
    os.environ.update(environment, LOG_LEVEL="error")


def in_worker(pool: ProcessPoolExecutor, task: Callable[[], float]) -> Way:
    """Return a way that has a worker execute a task, which returns the seconds that it took."""

    def way() -> Sample:
        with Memory(pool.submit(os.getpid).result()) as memory:
            seconds = pool.submit(task).result()
        return Sample(seconds, memory.peak_mb)

    return way


def ours(place: Stage, pool: ProcessPoolExecutor, video: Path) -> Way:
    """Return our way, from the event to the MP3 in the store and the state `ready` in the row."""

    def way() -> Sample:
        job = place.queued_job(video)
        sample = in_worker(pool, partial(convert_job, job.id))()
        place.forget(job.id)
        return sample

    return way


def convert_job(job_id: str) -> float:
    """Convert a queued job, and return the seconds that it took."""
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
