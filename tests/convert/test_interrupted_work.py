"""A conversion that is cancelled, stopped, killed or paused leaves one MP3 at the end, or none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from cloudevents.core.v1.event import CloudEvent

from devservers.waiting import DEADLINE_SECONDS, wait_for
from functions.convert.handler import convert
from soundlift.common.errors import Busy, Unavailable
from soundlift.common.events import event_for
from soundlift.common.jobs.model import CLAIM_SECONDS, Job, State
from soundlift.common.process.shutdown import Shutdown
from soundlift.common.services import Services
from soundlift.common.web.gunicorn_config import RELEASE_SECONDS
from tests.convert.outcome import assert_one_mp3, stored_mp3s
from tests.factories.accounts import SECRET
from tests.factories.jobs import age, job_now, queued_job
from tests.factories.stores import StoreWithCommitHook, blocked_store

pytestmark = pytest.mark.media


def test_cancelling_kills_ffmpeg_and_leaves_no_mp3(
    services: Services, long_sound: bytes, convert_in_background: Callable[..., Future[CloudEvent | None]]
) -> None:
    job = queued_job(services, long_sound)
    worker = Services(services.settings)
    worker.videos, waiting, release = blocked_store(services.videos, beyond=len(long_sound) // 2)
    conversion = convert_in_background(event_for(job), worker)
    try:
        assert waiting.wait(30)
        assert _running_ffmpegs()
        services.jobs.cancel(job.id)
        wait_for(lambda: not _running_ffmpegs(), "FFmpeg is killed")
    finally:
        release.set()
    assert conversion.result() is None
    assert job_now(services, job.id).state == State.CANCELLED
    assert stored_mp3s(services) == []
    worker.database.engine.dispose()


def _cancel(services: Services, job: Job) -> None:
    assert services.jobs.cancel(job.id)


def _claim_by_another(services: Services, job: Job) -> None:
    age(services, job, CLAIM_SECONDS + 1, "claimed_until")
    assert services.jobs.claim(job_now(services, job.id))


@pytest.mark.parametrize("lose", [_cancel, _claim_by_another])
def test_a_claim_lost_after_storing_leaves_no_mp3_and_does_not_end_the_job(
    services: Services, job: Job, lose: Callable[[Services, Job], None]
) -> None:
    worker = Services(services.settings)
    rows: list[Job] = []

    def lose_the_claim() -> None:
        assert len(stored_mp3s(services)) == 1
        lose(services, job)
        rows.append(job_now(services, job.id))

    worker.mp3s = StoreWithCommitHook(services.mp3s, lose_the_claim)
    if lose is _cancel:
        assert convert(event_for(job), worker) is None
    else:
        with pytest.raises(Busy):  # the event is kept, in case the other worker dies
            convert(event_for(job), worker)
    assert [job_now(services, job.id)] == rows
    assert stored_mp3s(services) == []
    worker.database.engine.dispose()


def test_a_worker_that_has_to_stop_releases_its_job(
    services: Services, long_sound: bytes, convert_in_background: Callable[..., Future[CloudEvent | None]]
) -> None:
    job = queued_job(services, long_sound)
    worker = StoppingServices(replace(services.settings, drain_seconds=0))
    worker.videos, waiting, release = blocked_store(services.videos, beyond=len(long_sound) // 2)
    conversion = convert_in_background(event_for(job), worker)
    try:
        assert waiting.wait(30)
        worker.shutdown.begin()
        wait_for(lambda: not _running_ffmpegs(), "FFmpeg is killed", seconds=RELEASE_SECONDS)
    finally:
        release.set()
    with pytest.raises(Unavailable):
        conversion.result()
    assert (job_now(services, job.id).state, job_now(services, job.id).attempts) == (State.QUEUED, 0)
    convert(event_for(job), services)
    assert_one_mp3(services, job)
    worker.database.engine.dispose()


class StoppingServices(Services):
    """Services with their own shutdown, so that other tests are not affected."""

    shutdown = Shutdown()


def test_conversions_beyond_the_concurrency_limit_are_rejected_as_busy(
    services: Services, video: bytes, convert_in_background: Callable[..., Future[CloudEvent | None]]
) -> None:
    settings = replace(services.settings, convert_concurrency=1)
    worker, rival = Services(settings), Services(settings)
    first, second = queued_job(services, video), queued_job(services, video)
    worker.videos, waiting, release = blocked_store(services.videos, beyond=0)
    conversion = convert_in_background(event_for(first), worker)
    try:
        assert waiting.wait(30)
        with pytest.raises(Busy):
            convert(event_for(second), rival)
    finally:
        release.set()
    assert conversion.result() is not None
    assert job_now(services, second.id).attempts == 0
    for one in (worker, rival):
        one.database.engine.dispose()


def test_the_percent_is_written_while_converting(
    services: Services, long_sound: bytes, convert_in_background: Callable[..., Future[CloudEvent | None]]
) -> None:
    job = queued_job(services, long_sound)
    worker = Services(services.settings)
    worker.videos, waiting, release = blocked_store(services.videos, beyond=len(long_sound) // 2)
    conversion = convert_in_background(event_for(job), worker)
    try:
        assert waiting.wait(30)
        percent = wait_for(lambda: job_now(services, job.id).percent, "the percentage is written")
        assert 0 < percent <= 60
    finally:
        release.set()
    conversion.result()
    assert job_now(services, job.id).percent == 100
    worker.database.engine.dispose()


WORKER = """
import sys
from functions.convert.handler import convert
from soundlift.common.events import event_for
from soundlift.common.services import process_services
from tests.factories.stores import WatchedStore

services = process_services()
jobs = services.jobs

def wait_at(position):
    if position >= int(sys.argv[2]):
        print("waiting", flush=True)
        sys.stdin.readline()

services.videos = WatchedStore(services.videos, wait_at)
convert(event_for(jobs.find(sys.argv[1])), services)
"""


@pytest.fixture
def worker(services: Services) -> Iterator[Callable[[Job], subprocess.Popen[str]]]:
    """Return a function that starts a process that converts a job, and pauses halfway until it reads a line."""
    processes: list[subprocess.Popen[str]] = []
    environment = {
        "PATH": os.environ["PATH"],
        "SOUNDLIFT_DATA": str(services.settings.soundlift_data),
        "JWT_SECRET": SECRET,
        "TMPDIR": str(services.settings.soundlift_data),  # so that files of a killed worker are deleted after the test
    }

    def start(job: Job) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, job.id, str(int(job.video_bytes or 0) // 2)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        processes.append(process)
        assert process.stdout is not None
        while process.stdout.readline() != "waiting\n":
            assert process.poll() is None
        return process

    yield start
    for process in processes:
        for number in (signal.SIGCONT, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                break
        process.communicate()


def test_another_worker_converts_the_job_of_a_killed_one(
    services: Services, long_sound: bytes, worker: Callable[[Job], subprocess.Popen[str]]
) -> None:
    job = queued_job(services, long_sound)
    process = worker(job)
    process.kill()
    process.wait()
    dead = job_now(services, job.id)
    assert dead.state == State.CONVERTING
    half = services.settings.soundlift_data / "media" / "mp3s" / f"{dead.mp3_fid}.part"
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"half an MP3")
    with pytest.raises(Busy):
        convert(event_for(job), services)
    age(services, job, CLAIM_SECONDS + 1)
    assert convert(event_for(job), services) is not None
    assert_one_mp3(services, job)
    assert job_now(services, job.id).attempts == 2


def test_a_paused_worker_that_resumes_after_its_claim_expired_loses(
    services: Services, long_sound: bytes, worker: Callable[[Job], subprocess.Popen[str]]
) -> None:
    job = queued_job(services, long_sound)
    process = worker(job)
    process.send_signal(signal.SIGSTOP)
    age(services, job, CLAIM_SECONDS + 1)
    convert(event_for(job), services)
    winner = job_now(services, job.id)
    process.send_signal(signal.SIGCONT)
    assert process.stdin is not None
    try:
        process.stdin.write("\n" * 1000)
        process.stdin.close()
    except BrokenPipeError:
        assert process.poll() is not None
    process.stdin = None
    process.communicate(timeout=DEADLINE_SECONDS)
    assert job_now(services, job.id) == winner
    assert_one_mp3(services, job)


def _running_ffmpegs() -> list[str]:
    """Return the running FFmpeg processes that this process has started."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=,args=", "--ppid", str(os.getpid())], check=False, capture_output=True, text=True
    )
    return [line for line in listed.stdout.splitlines() if "ffmpeg" in line and " Z" not in line]
