"""Measures the processor time of conversions, which, unlike their duration, no other program changes much."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from bench.baselines.bare_ffmpeg import bare_ffmpeg
from bench.harness.comparison import Goal, Result, Row, Run, Sample, compare
from bench.harness.deployment import Deployment, temporary_deployment
from bench.inputs.clips import clip
from bench.rows.conversions import ours, worker

CLIPS = 20
CORES = os.cpu_count() or 1
QUALITY = ("-q:a", "2")
MINUTES = 10


def of_a_clip(row: Row) -> Result:
    """Compare the processor time of converting a clip of ten seconds on one core with that of bare FFmpeg."""
    video = clip(10)
    with temporary_deployment(CONVERT_CONCURRENCY="1") as deployment, worker(deployment) as pool:
        convert = ours(deployment, pool, video)
        bare = bare_ffmpeg(video, deployment.folder / "bare.mp3", QUALITY)
        return compare(row, per_clip(convert, partial(of_worker, pool)), per_clip(bare, _of_children))


def per_clip(run: Run, processor_seconds: Callable[[], float]) -> Run:
    """Return a run of many clips, which measures the processor time of one in milliseconds."""

    def measured() -> Sample:
        began = processor_seconds()
        for _ in range(CLIPS):
            run()
        return Sample(1000 * (processor_seconds() - began) / CLIPS)

    return measured


def of_worker(pool: ProcessPoolExecutor) -> float:
    """Return the processor time of a worker and its ended children so far, in seconds."""
    return pool.submit(_of_this_and_children).result()


def _of_this_and_children() -> float:
    return _seconds((resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _of_children() -> float:
    return _seconds((resource.RUSAGE_CHILDREN,))


def _seconds(who: Sequence[int]) -> float:
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, who))


def alone(row: Row) -> Result:
    """Compare a conversion alone with bare FFmpeg's processor time on all cores at once; both in seconds a second."""
    video = clip(60 * MINUTES)
    with temporary_deployment() as deployment, worker(deployment) as pool:
        return compare(row, _speed(ours(deployment, pool, video)), _possible_speed(deployment, video))


def _speed(run: Run) -> Run:
    return lambda: Sample(60 * MINUTES / run().value)


def _possible_speed(deployment: Deployment, video: Path) -> Run:
    bare = bare_ffmpeg(video, deployment.folder / "bare.mp3", QUALITY)

    def run() -> Sample:
        began = _of_children()
        bare()
        return Sample(60 * MINUTES / ((_of_children() - began) / CORES))

    return run


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("clip-processor-time", "ms", Goal(1.2)): of_a_clip,
    Row("convert-lone", "s/s", Goal(0.9, at_least=True)): alone,
}
