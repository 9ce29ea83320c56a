"""Measures the memory and disk space that convert uses for a video of 4 GB."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import urllib3

from bench.harness.comparison import Goal, Result, Row, Sample
from bench.harness.deployment import BLOCK, Deployment, temporary_deployment
from bench.harness.processes import Memory, Peak, peak_mb, served
from bench.inputs.clips import ffmpeg, uncompressed
from soundlift.common.events import event_for, to_http
from soundlift.common.jobs.model import Job

SECONDS = 8
TIMES = 15
TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Conversion:
    """The peaks of a conversion in MB: of its process, all processes and the temporary folder; and the MP3's size."""

    own: float
    everything: float
    disk: float
    mp3: float


def memory(row: Row) -> Result:
    """Compare the function's own peak memory, without FFmpeg, with its peak for a fifteenth of the video."""
    large, small = conversion(TIMES), conversion(1)
    ours, baseline = Sample(large.own, large.everything), Sample(small.own, small.everything)
    return Result(row, ours, baseline, ours.value / baseline.value)


def disk(row: Row) -> Result:
    """Compare the peak size of the temporary folder with the size of the MP3."""
    large = conversion(TIMES)
    return Result(row, Sample(large.disk), Sample(large.mp3), large.disk / large.mp3)


@cache
def conversion(times: int) -> Conversion:
    """Convert a video of a multiple of 280 MB with the served function."""
    with temporary_deployment() as deployment:
        temporary = deployment.folder / "temporary"
        temporary.mkdir()
        job = deployment.queued_job(uncompressed(SECONDS), _repeated(uncompressed(SECONDS), times))
        with served("functions.convert.handler:app", {**deployment.environment, "TMPDIR": str(temporary)}) as convert:
            with Memory(convert.worker) as everything, Peak(partial(_size, temporary)) as largest:
                _convert(convert.url, job)
            own = peak_mb(convert.worker)
        return Conversion(own, everything.value, largest.value, _mp3_size(deployment, job))


def _repeated(video: Path, times: int) -> Iterator[bytes]:
    """Yield a video repeated several times, in blocks."""
    command = ffmpeg("-stream_loop", str(times - 1), "-i", str(video), "-c", "copy", "-f", "matroska", "pipe:1")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while block := process.stdout.read(BLOCK):
            yield block
    assert process.returncode == 0


def _convert(url: str, job: Job) -> None:
    headers, body = to_http(event_for(job))
    answer = urllib3.request("POST", url, body=body, headers=headers, timeout=TIMEOUT_SECONDS, retries=False)
    assert answer.status == 200, answer.data


def _size(folder: Path) -> float:
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # the file may have been deleted
            total += file.stat().st_size if file.is_file() else 0
    return total / 1e6


def _mp3_size(deployment: Deployment, job: Job) -> float:
    done = deployment.services.jobs.find(job.id)
    assert done is not None
    assert done.mp3_bytes is not None
    return done.mp3_bytes / 1e6


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("convert-memory", "MB", Goal(140, of="ours")): memory,
    Row("convert-disk", "MB", Goal(2)): disk,
}
