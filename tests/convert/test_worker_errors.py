"""An error of the worker never fails a job."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import sqlalchemy as sa
from cloudevents.core.v1.event import CloudEvent

from devservers.waiting import wait_for
from functions.convert.conversion import convert_video
from functions.convert.disk import check_disk, worker_errors_as_unavailable
from functions.convert.encode.ffmpeg import Ffmpeg
from functions.convert.handler import app, convert
from functions.convert.heartbeat import ConversionHeartbeat
from functions.convert.probe.metadata import FILE_NAME
from soundlift.common.errors import Busy, Unavailable
from soundlift.common.events import event_for, to_http
from soundlift.common.jobs.model import Job, State
from soundlift.common.process.ffmpeg import binary
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.clips import SINE, ffmpeg, talking_mp4
from tests.factories.jobs import job_now, queued_job
from tests.factories.problems import assert_problem
from tests.factories.stores import blocked_store

pytestmark = pytest.mark.media

AUDIO = "audio.mp3"  # the output of a conversion on one core
NOT_CONFINED = Settings(sandbox="off")  # FFmpeg reads a file by its name, or writes to a device
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, or writes to /dev/full")


@pytest.fixture
def worker(services: Services) -> Iterator[Services]:
    worker = Services(services.settings)
    yield worker
    worker.database.engine.dispose()


def _start(worker: Services, job: Job, pool: ThreadPoolExecutor) -> Future[CloudEvent | None]:
    return pool.submit(convert, event_for(job), worker)


def _ffmpegs() -> dict[int, bytes]:
    """Return the arguments of all FFmpeg processes that are children of this process, by process id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            command = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and command.split(b"\0")[0] == binary().encode():
            found[int(path.parent.name)] = command
    return found


@on_linux
@pytest.mark.parametrize(
    ("share", "cores", "argument"),
    [
        pytest.param(0.0, 1, FILE_NAME, id="at the first byte"),
        pytest.param(0.5, 1, AUDIO, id="half way"),
        pytest.param(0.5, 2, "-filter_complex", id="the decoder of all parts"),
        pytest.param(0.5, 2, "part1.mp3", id="the encoder of a part"),
    ],
)
def test_an_ffmpeg_killed_by_another_process_costs_no_attempt(
    services: Services, worker: Services, long_sound: bytes, share: float, cores: int, argument: str
) -> None:
    services.settings = worker.settings = replace(services.settings, convert_concurrency=cores)
    job = queued_job(services, long_sound)
    worker.videos, waiting, release = blocked_store(services.videos, beyond=int(len(long_sound) * share))

    def find_process() -> int | None:
        return next((pid for pid, command in _ffmpegs().items() if argument.encode() in command), None)

    with ThreadPoolExecutor() as pool:
        conversion = _start(worker, job, pool)
        try:
            assert waiting.wait(30)
            os.kill(wait_for(find_process, "the FFmpeg process runs"), signal.SIGKILL)
            with pytest.raises(Unavailable):
                conversion.result(timeout=30)
        finally:
            release.set()
    now = job_now(services, job.id)
    assert (now.state, now.attempts, now.error) == (State.QUEUED, 0, None)


def test_a_database_that_recovers_within_the_claim_does_not_end_work(
    services: Services, worker: Services, long_sound: bytes
) -> None:
    job = queued_job(services, long_sound)
    refused = Event()
    sa.event.listen(worker.database.engine, "handle_error", lambda context: refused.set())
    worker.videos, waiting, release = blocked_store(services.videos, beyond=len(long_sound) // 2)
    with ThreadPoolExecutor() as pool:
        conversion = _start(worker, job, pool)
        try:
            assert waiting.wait(30)
            _rename(services, "job", "hidden")
            assert refused.wait(30)
            _rename(services, "hidden", "job")
        finally:
            release.set()
    assert conversion.result() is not None
    assert job_now(services, job.id).state == State.READY


def _rename(services: Services, old: str, new: str) -> None:
    with services.database.write() as connection:
        connection.execute(sa.text(f"ALTER TABLE {old} RENAME TO {new}"))


def test_the_percent_never_falls(services: Services, worker: Services, long_sound: bytes) -> None:
    job = queued_job(services, long_sound)
    worker.videos, waiting, release = blocked_store(services.videos, beyond=len(long_sound) // 2)
    seen: list[int] = []
    with ThreadPoolExecutor() as pool:
        conversion = _start(worker, job, pool)
        try:
            assert waiting.wait(30)
            wait_for(lambda: job_now(services, job.id).percent, "the percentage is written")
        finally:
            release.set()
        while not conversion.done():
            seen.append(job_now(services, job.id).percent)
    seen.append(job_now(services, job.id).percent)
    assert seen == sorted(seen)
    assert seen[-1] == 100


def test_a_busy_worker_answers_429_over_http(services: Services, worker: Services, tmp_path: Path) -> None:
    services.settings = worker.settings = replace(services.settings, convert_concurrency=1)
    video = talking_mp4(tmp_path).read_bytes()
    first, second = queued_job(services, video), queued_job(services, video)
    worker.videos, waiting, release = blocked_store(services.videos, beyond=0)
    app.services = services
    headers, body = to_http(event_for(second))
    with ThreadPoolExecutor() as pool:
        conversion = _start(worker, first, pool)
        try:
            assert waiting.wait(30)
            assert_problem(app.test_client().post("/", data=body, headers=headers), 429, code="busy")
        finally:
            release.set()
        assert conversion.result() is not None
    assert app.test_client().post("/", data=body, headers=headers).status_code == 200


def test_a_job_cancelled_before_it_is_claimed_has_no_reply(
    services: Services, worker: Services, tmp_path: Path
) -> None:
    job = queued_job(services, talking_mp4(tmp_path).read_bytes())
    connections: list[object] = []

    def cancel_when_it_was_read(connection: object) -> None:
        connections.append(connection)
        if len(connections) == 2:
            assert services.jobs.cancel(job.id)

    sa.event.listen(worker.database.engine, "engine_connect", cancel_when_it_was_read)
    assert convert(event_for(job), worker) is None
    assert job_now(services, job.id).state == State.CANCELLED


def test_a_job_claimed_by_another_worker_meanwhile_is_busy(
    services: Services, worker: Services, tmp_path: Path
) -> None:
    job = queued_job(services, talking_mp4(tmp_path).read_bytes())
    connections: list[object] = []

    def claim_when_it_was_read(connection: object) -> None:
        connections.append(connection)
        if len(connections) == 2:
            assert services.jobs.claim(job)

    sa.event.listen(worker.database.engine, "engine_connect", claim_when_it_was_read)
    with pytest.raises(Busy):
        convert(event_for(job), worker)
    assert job_now(services, job.id).attempts == 1


@on_linux
def test_a_full_disk_is_an_error_of_the_worker(services: Services, tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.wav", *SINE)
    run = Ffmpeg(["-protocol_whitelist", "file", "-i", str(file), "-f", "mp3", "-y", "/dev/full"], NOT_CONFINED)
    outcome = run.wait()
    run.close()
    with pytest.raises(Unavailable):
        check_disk(outcome.status, tmp_path)


@on_linux
@pytest.mark.parametrize("cores", [1, 2])
def test_a_disk_full_before_the_first_byte_costs_no_attempt(
    services: Services, tmp_path: Path, long_sound: bytes, cores: int
) -> None:
    job = queued_job(services, long_sound, "a.wav")
    claim = services.jobs.claim(job)
    assert claim is not None
    (tmp_path / AUDIO).symlink_to("/dev/full")
    services.settings = NOT_CONFINED
    with ConversionHeartbeat(claim, services) as heartbeat, pytest.raises(Unavailable), worker_errors_as_unavailable():
        convert_video(job, tmp_path, heartbeat, services, spare_cores=cores - 1)


@on_linux
def test_a_failure_of_ffmpeg_on_a_full_disk_is_an_error_of_the_worker(tmp_path: Path) -> None:
    has_no_space = Path("/proc")
    with pytest.raises(Unavailable):
        check_disk(1, has_no_space)
    check_disk(0, has_no_space)
    check_disk(1, tmp_path)


@on_linux
def test_a_full_disk_while_writing_is_an_error_of_the_worker(tmp_path: Path) -> None:
    with (
        pytest.raises(Unavailable),
        worker_errors_as_unavailable(),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    with pytest.raises(FileNotFoundError), worker_errors_as_unavailable():
        (tmp_path / "none").read_bytes()


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EMFILE])
def test_a_worker_that_cannot_start_a_process_is_unavailable(number: int) -> None:
    with pytest.raises(Unavailable), worker_errors_as_unavailable():
        raise OSError(number, os.strerror(number))


@on_linux
def test_a_limit_that_cannot_be_set_is_an_error_of_the_worker(services: Services, tmp_path: Path) -> None:
    job = queued_job(services, talking_mp4(tmp_path).read_bytes())
    settings = services.settings
    services.settings = replace(settings, max_memory_bytes=2**70)
    with pytest.raises(Unavailable, match="sandbox"):
        convert(event_for(job), services)
    services.settings = settings
    assert (job_now(services, job.id).state, job_now(services, job.id).attempts) == (State.QUEUED, 0)
    convert(event_for(job), services)
    assert job_now(services, job.id).state == State.READY
