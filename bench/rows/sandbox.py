"""Measures what the limits and the sandbox of FFmpeg cost, and how soon a conversion of a hostile file is cancelled."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

from bench.harness.comparison import Goal, Result, Row, Sample, compare
from bench.harness.deployment import Deployment, temporary_deployment
from bench.harness.processes import children
from bench.inputs.clips import clip
from bench.inputs.hostile_media import SLOW_FILES, HostileFile
from bench.rows.conversions import ours, worker
from devservers.waiting import wait_for
from soundlift.common.events import event_for
from soundlift.common.jobs.model import State
from soundlift.common.process.ffmpeg import binary
from soundlift.common.process.sandbox.sandbox import Access, Limits, Sandbox
from soundlift.common.services import process_services

STARTS = 100


def added(row: Row, *, seconds: int, cores: int) -> Result:
    """Compare conversions in a sandbox with those by an FFmpeg that is started directly."""
    video = clip(seconds)
    with (
        temporary_deployment(CONVERT_CONCURRENCY=str(cores), SANDBOX="required") as deployment,
        worker(deployment) as confined,
        worker(deployment) as direct,
    ):
        direct.submit(_start_directly).result()
        return compare(row, ours(deployment, confined, video), ours(deployment, direct, video))


STARTS = 100


class NoSandbox(Sandbox):
    """A starter of programs without limits."""

    def start(
        self, command: Sequence[str], limits: Limits, access: Access, *, pass_fds: Sequence[int] = (), **options: Any
    ) -> tuple[subprocess.Popen[bytes], None]:
        """Start a program, given by its path and its arguments."""
        return subprocess.Popen(command, pass_fds=pass_fds, **options), None


def _start_directly() -> None:
    from functions.convert.encode import ffmpeg

    vars(ffmpeg)["open_sandbox"] = lambda _: NoSandbox(confines=False)


def start(row: Row) -> Result:
    """Compare starts of FFmpeg in a sandbox with those of subprocess, by their processor time in milliseconds."""
    command = [binary(), "-version"]
    confined, direct = Sandbox(confines=True), NoSandbox(confines=False)
    return compare(row, *(partial(_processor_ms, starter, command) for starter in (confined, direct)))


def _processor_ms(starter: Sandbox, command: Sequence[str]) -> Sample:
    """Return the processor time of a start, and of all that FFmpeg does then."""
    began = _processor_seconds()
    for _ in range(STARTS):
        process, _ = starter.start(command, {}, Access(), stdout=DEVNULL)
        assert process.wait() == 0
    return Sample(1000 * (_processor_seconds() - began) / STARTS)


def _processor_seconds() -> float:
    """Return the processor time of this process, the fork server and all programs that have ended."""
    times, servers = os.times(), children(os.getpid())
    ticks = sum(
        sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) for pid in servers
    )
    return times.user + times.system + times.children_user + times.children_system + ticks / os.sysconf("SC_CLK_TCK")


def cancel(row: Row) -> Result:
    """Measure the longest time from a cancellation to the end of the conversion."""
    with temporary_deployment() as deployment:
        return Result(row, Sample(max(_seconds_to_cancel(deployment, file) for file in SLOW_FILES)))


def _seconds_to_cancel(deployment: Deployment, hostile: HostileFile) -> float:
    services = deployment.services
    video = deployment.folder / f"hostile{hostile.suffix}"
    hostile.write(video)
    job = deployment.queued_job(Path(video.name), [b"a"])
    video.rename(deployment.folder / "media" / "videos" / job.video_fid)
    with worker(deployment) as pool:
        conversion = pool.submit(_convert, job.id)
        wait_for(lambda: (found := services.jobs.find(job.id)) and found.state == State.CONVERTING, "it has begun")
        time.sleep(1)  # so that FFmpeg is busy with the file
        assert services.jobs.cancel(job.id)
        began = time.perf_counter()
        conversion.result()
        return time.perf_counter() - began


def _convert(job_id: str) -> None:
    from functions.convert.handler import convert

    services = process_services()
    job = services.jobs.find(job_id)
    assert job is not None
    convert(event_for(job), services)


ROWS: dict[Row, Callable[[Row], Result]] = {
    Row("sandbox-start", "ms", Goal(4, of="added")): start,
    Row("sandbox-ten-seconds", "s", Goal(0.03, of="added"), rounds=25): partial(added, seconds=10, cores=1),
    Row("sandbox-ten-minutes", "s", Goal(1.03), rounds=9): partial(added, seconds=600, cores=2),
    Row("cancel-hostile-files", "s", Goal(2, of="ours")): cancel,
}
