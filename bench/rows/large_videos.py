"""Measures conversions of 4K videos: the time with a folder store, and the bytes read from a store's server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from bench.baselines.bare_ffmpeg import bare_ffmpeg
from bench.harness import servers
from bench.harness.comparison import Goal, Result, Row, Sample, compare
from bench.harness.deployment import temporary_deployment
from bench.inputs.clips import clip_4k
from bench.rows.conversions import VARIABLE, convert_job, ours, worker
from soundlift.common.services import process_services

SECONDS = 300
SECONDS_ON_S3 = 75  # 600 MB, which the S3 stand-in keeps in memory
SECONDS_ON_MONGODB = 20  # the MongoDB stand-in scans all chunks for every query, which is slow


def against_bare(row: Row) -> Result:
    """Compare a conversion from folder to folder with the bare FFmpeg command."""
    video = clip_4k(SECONDS)
    with temporary_deployment() as deployment, worker(deployment) as pool:
        return compare(row, ours(deployment, pool, video), bare_ffmpeg(video, deployment.folder / "bare.mp3", VARIABLE))


def read(row: Row, server: Callable[[], AbstractContextManager[str]], seconds: int) -> Result:
    """Measure the share of a video that a conversion reads."""
    video = clip_4k(seconds)
    with (
        server() as url,
        temporary_deployment(MEDIA_URL=_with_long_timeout(url)) as deployment,
        worker(deployment) as pool,
    ):
        job = deployment.queued_job(video)
        received = pool.submit(convert_and_count, job.id).result()
        deployment.delete_files(job.id)
    return Result(row, Sample(100 * received / video.stat().st_size))


def _with_long_timeout(url: str) -> str:
    if not url.startswith("mongodb"):
        return url
    return f"{url}{'&' if '?' in url else '?'}socketTimeoutMS=600000"


def convert_and_count(job_id: str) -> int:
    """Convert a queued job and return how many bytes of its video were received."""
    from bench.harness.store_traffic import count_received

    counts: list[int] = []
    count_received(process_services().settings, counts.append)
    convert_job(job_id)
    return sum(counts)


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("convert-4k", "s", Goal(0.9)): against_bare,
    Row("convert-4k-s3", "% read", Goal(25, of="ours")): partial(read, server=servers.s3, seconds=SECONDS_ON_S3),
    Row("convert-4k-gridfs", "% read", Goal(25, of="ours")): partial(
        read, server=servers.mongodb, seconds=SECONDS_ON_MONGODB
    ),
}
