"""One MP3 or one stated failure, whatever is killed, paused, doubled, forged or away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from cloudevents.core.v1.event import CloudEvent

from devservers.waiting import wait_for
from functions.convert.handler import app, convert
from soundlift.common.errors import Busy, DatabaseUnavailable, StoreUnavailable, Unavailable
from soundlift.common.events import (
    CONVERSION_FAILED,
    MP3_READY,
    VIDEO_UPLOADED,
    event_of,
    from_http,
    job_id_of,
    to_http,
)
from soundlift.common.jobs.model import Job, State
from soundlift.common.jobs.store import CLAIM_SECONDS
from soundlift.common.process.shutdown import Shutdown
from soundlift.common.services import Services
from tests.factories.clips import ffmpeg, talking_mp4
from tests.factories.jobs import age, job_now, queued_job
from tests.factories.problems import assert_problem
from tests.factories.stores import Interrupted, Refusing, WatchedStore, breaking, held


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return talking_mp4(tmp_path_factory.mktemp("clip"), "-movflags", "+faststart").read_bytes()


@pytest.fixture(scope="module")
def long_sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Make ten minutes, far more than the sockets between store and FFmpeg hold, so that FFmpeg can be kept waiting."""
    file = tmp_path_factory.mktemp("clip") / "long.wav"
    return ffmpeg(file, "-f", "lavfi", "-i", "sine=duration=600:sample_rate=48000").read_bytes()


@pytest.fixture
def job(services: Services, video: bytes) -> Job:
    return queued_job(services, video)


def _mp3s(services: Services) -> list[Path]:
    return list((services.settings.soundlift_data / "media" / "mp3s").glob("*"))


def _assert_one_mp3(services: Services, job: Job) -> None:
    """Assert that the job is ready, and that its MP3 is all there is."""
    job = job_now(services, job.id)
    assert job.state == State.READY
    assert [path.name for path in _mp3s(services)] == [job.mp3_fid]


@pytest.fixture
def in_background() -> Iterator[Callable[..., Future[CloudEvent | None]]]:
    with ThreadPoolExecutor() as pool:
        yield lambda event, services: pool.submit(convert, event, services)


def test_a_repeated_event_is_answered_from_the_row_without_converting_again(services: Services, job: Job) -> None:
    event = event_of(job)
    first, second = convert(event, services), convert(event, services)
    assert first is not None
    assert second is not None
    assert first.get_attributes() == second.get_attributes()
    assert (first.get_type(), job_id_of(first)) == (MP3_READY, job.id)
    _assert_one_mp3(services, job)
    assert job_now(services, job.id).attempts == 1


def test_two_workers_with_one_event_make_one_mp3(services: Services, job: Job) -> None:
    rivals = [Services(replace(services.settings, convert_concurrency=8)) for _ in range(3)]

    def reply_of(rival: Services) -> CloudEvent | None:
        with suppress(Busy):  # another has the job
            return convert(event_of(job), rival)
        return None

    with ThreadPoolExecutor() as pool:
        replies = list(pool.map(reply_of, rivals))
    assert len([reply for reply in replies if reply]) >= 1
    _assert_one_mp3(services, job)
    assert job_now(services, job.id).attempts == 1
    for rival in rivals:
        rival.database.engine.dispose()


def test_an_event_while_another_worker_converts_comes_again_and_finds_the_work_done(
    services: Services, job: Job, in_background: Callable[..., Future[CloudEvent | None]]
) -> None:
    other = Services(services.settings)
    other.videos, waiting, let_go = held(services.videos, beyond=0)
    conversion = in_background(event_of(job), other)
    try:
        assert waiting.wait(30)
        with pytest.raises(Busy) as caught:
            convert(event_of(job), services)
        assert caught.value.retry_after > 0
    finally:
        let_go.set()
    reply = conversion.result()
    assert reply is not None
    again = convert(event_of(job), services)
    assert again is not None
    assert (again.get_type(), again.get_id()) == (reply.get_type(), reply.get_id())
    other.database.engine.dispose()


def test_forged_events_do_no_harm(services: Services, job: Job, video: bytes) -> None:
    other = queued_job(services, video, email="bob@example.org")
    cancelled = queued_job(services, video)
    services.jobs.cancel(cancelled.id)

    def forged(job_id: str) -> CloudEvent:
        data = {"job_id": job_id, "video_fid": other.video_fid, "mp3_fid": "f" * 24, "username": "eve@example.org"}
        return CloudEvent({"type": VIDEO_UPLOADED, "source": "/forged", "id": "1", "specversion": "1.0"}, data)

    assert convert(forged("f" * 24), services) is None
    assert convert(forged(cancelled.id), services) is None
    assert convert(forged(job.id), services) is not None
    _assert_one_mp3(services, job)
    assert job_now(services, job.id).username == "ada@example.org"
    assert job_now(services, cancelled.id).state == State.CANCELLED
    assert job_now(services, other.id).state == State.QUEUED


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_store_that_breaks_while_it_is_read_makes_no_half_mp3_and_costs_no_attempt(
    services: Services, tmp_path: Path, share: float
) -> None:
    sound = ffmpeg(tmp_path / "a.wav", "-f", "lavfi", "-i", "sine=duration=30:sample_rate=48000").read_bytes()
    job = queued_job(services, sound)
    videos = services.videos
    services.videos = breaking(videos, beyond=int(len(sound) * share))
    with pytest.raises(StoreUnavailable):
        convert(event_of(job), services)
    released = job_now(services, job.id)
    assert (released.state, released.attempts) == (State.QUEUED, 0)
    assert "store" in str(released.last_cause)
    assert _mp3s(services) == []
    services.videos = videos
    convert(event_of(job), services)
    _assert_one_mp3(services, job)
    assert job_now(services, job.id).length == pytest.approx(30, abs=0.01)


@pytest.mark.parametrize("step", ["create", "write", "commit"])
def test_a_store_that_takes_no_mp3_costs_no_attempt(services: Services, job: Job, step: str) -> None:
    mp3s = services.mp3s
    services.mp3s = Refusing(mp3s, step)
    with pytest.raises(StoreUnavailable):
        convert(event_of(job), services)
    assert (job_now(services, job.id).state, job_now(services, job.id).attempts) == (State.QUEUED, 0)
    assert _mp3s(services) == []
    services.mp3s = mp3s
    convert(event_of(job), services)
    _assert_one_mp3(services, job)


def test_a_store_that_deletes_nothing_changes_neither_a_verdict_nor_whose_the_trouble_is(
    services: Services, job: Job
) -> None:
    services.mp3s = Refusing(services.mp3s, "delete")
    no_media = queued_job(services, b"no media")
    convert(event_of(no_media), services)
    assert job_now(services, no_media.id).error_code == "not_media"
    services.videos = breaking(services.videos, beyond=0)
    with pytest.raises(StoreUnavailable, match="broke"):
        convert(event_of(job), services)
    assert (job_now(services, job.id).state, job_now(services, job.id).attempts) == (State.QUEUED, 0)


def test_a_video_that_is_not_in_the_store_is_trouble_and_no_verdict(services: Services, job: Job) -> None:
    services.videos.delete(job.video_fid)
    with pytest.raises(StoreUnavailable):
        convert(event_of(job), services)
    assert job_now(services, job.id).state == State.QUEUED


def test_a_database_that_goes_away_leaves_a_claim_that_runs_out(services: Services, job: Job) -> None:
    def hide(position: int) -> None:
        with services.database.engine.begin() as connection:
            if sa.inspect(connection).has_table("job"):
                connection.execute(sa.text("ALTER TABLE job RENAME TO hidden"))

    videos = services.videos
    services.videos = WatchedStore(videos, hide)
    with pytest.raises(DatabaseUnavailable):
        convert(event_of(job), services)
    with services.database.write() as connection:
        connection.execute(sa.text("ALTER TABLE hidden RENAME TO job"))
    services.videos = videos
    with pytest.raises(Busy):
        convert(event_of(job), services)
    age(services, job, CLAIM_SECONDS + 1)
    convert(event_of(job), services)
    _assert_one_mp3(services, job)


def test_the_third_claim_that_died_is_the_last(services: Services, job: Job) -> None:
    for _ in range(3):
        assert services.jobs.claim(job_now(services, job.id)) is not None
        age(services, job, CLAIM_SECONDS + 1)
    reply = convert(event_of(job), services)
    assert reply is not None
    assert reply.get_type() == CONVERSION_FAILED
    assert job_now(services, job.id).error_code == "gave_up"


def test_cancelling_kills_ffmpeg_and_leaves_no_mp3(
    services: Services, long_sound: bytes, in_background: Callable[..., Future[CloudEvent | None]]
) -> None:
    job = queued_job(services, long_sound)
    worker = Services(services.settings)
    worker.videos, waiting, let_go = held(services.videos, beyond=len(long_sound) // 2)
    conversion = in_background(event_of(job), worker)
    try:
        assert waiting.wait(30)
        assert _children()
        services.jobs.cancel(job.id)
        wait_for(lambda: not _children(), "FFmpeg is killed", seconds=2)
    finally:
        let_go.set()
    assert conversion.result() is None
    assert job_now(services, job.id).state == State.CANCELLED
    assert _mp3s(services) == []
    worker.database.engine.dispose()


def _cancels(services: Services, job: Job) -> None:
    assert services.jobs.cancel(job.id)


def _another_claims(services: Services, job: Job) -> None:
    age(services, job, CLAIM_SECONDS + 1, "claimed_until")
    assert services.jobs.claim(job_now(services, job.id))


@pytest.mark.parametrize("lose", [_cancels, _another_claims])
def test_a_claim_lost_after_the_mp3_was_stored_leaves_no_mp3_and_does_not_end_the_job(
    services: Services, job: Job, lose: Callable[[Services, Job], None]
) -> None:
    worker = Services(services.settings)
    rows: list[Job] = []

    def lose_the_claim() -> None:
        assert len(_mp3s(services)) == 1
        lose(services, job)
        rows.append(job_now(services, job.id))

    worker.mp3s = Interrupted(services.mp3s, lose_the_claim)
    assert convert(event_of(job), worker) is None
    assert [job_now(services, job.id)] == rows
    assert _mp3s(services) == []
    worker.database.engine.dispose()


def test_a_worker_told_to_stop_hands_its_job_back(
    services: Services, long_sound: bytes, in_background: Callable[..., Future[CloudEvent | None]]
) -> None:
    job = queued_job(services, long_sound)
    worker = Stopping(replace(services.settings, drain_seconds=0))
    worker.videos, waiting, let_go = held(services.videos, beyond=len(long_sound) // 2)
    conversion = in_background(event_of(job), worker)
    try:
        assert waiting.wait(30)
        worker.shutdown.begin()
        wait_for(lambda: not _children(), "FFmpeg is killed", seconds=2)
    finally:
        let_go.set()
    with pytest.raises(Unavailable):
        conversion.result()
    assert (job_now(services, job.id).state, job_now(services, job.id).attempts) == (State.QUEUED, 0)
    convert(event_of(job), services)
    _assert_one_mp3(services, job)
    worker.database.engine.dispose()


class Stopping(Services):
    """Has a shutdown of its own, so that no other test is told to stop."""

    shutdown = Shutdown()


def test_more_conversions_than_places_are_refused_and_wait(
    services: Services, video: bytes, in_background: Callable[..., Future[CloudEvent | None]]
) -> None:
    settings = replace(services.settings, convert_concurrency=1)
    worker, rival = Services(settings), Services(settings)
    first, second = queued_job(services, video), queued_job(services, video)
    worker.videos, waiting, let_go = held(services.videos, beyond=0)
    conversion = in_background(event_of(first), worker)
    try:
        assert waiting.wait(30)
        with pytest.raises(Busy):
            convert(event_of(second), rival)
    finally:
        let_go.set()
    assert conversion.result() is not None
    assert job_now(services, second.id).attempts == 0
    for one in (worker, rival):
        one.database.engine.dispose()


def test_the_percent_is_written_while_converting(
    services: Services, long_sound: bytes, in_background: Callable[..., Future[CloudEvent | None]]
) -> None:
    job = queued_job(services, long_sound)
    worker = Services(services.settings)
    worker.videos, waiting, let_go = held(services.videos, beyond=len(long_sound) // 2)
    conversion = in_background(event_of(job), worker)
    try:
        assert waiting.wait(30)
        percent = wait_for(lambda: job_now(services, job.id).percent, "a percent is written")
        assert 0 < percent <= 60
    finally:
        let_go.set()
    conversion.result()
    assert job_now(services, job.id).percent == 100
    worker.database.engine.dispose()


WORKER = """
import sys
from functions.convert.handler import convert
from soundlift.common.events import event_of
from soundlift.common.services import services_of_process
from tests.factories.stores import WatchedStore

services = services_of_process()
jobs = services.jobs

def wait_at(position):
    if position >= int(sys.argv[2]):
        print("waiting", flush=True)
        sys.stdin.readline()

services.videos = WatchedStore(services.videos, wait_at)
convert(event_of(jobs.find(sys.argv[1])), services)
"""


@pytest.fixture
def worker(services: Services) -> Iterator[Callable[[Job], subprocess.Popen[str]]]:
    """Return a function that starts a process which converts a job, and stops in the middle until it gets a line."""
    processes: list[subprocess.Popen[str]] = []
    environment = {
        "PATH": os.environ["PATH"],
        "SOUNDLIFT_DATA": str(services.settings.soundlift_data),
        "JWT_SECRET": services.settings.jwt_secret,
        "TMPDIR": str(services.settings.soundlift_data),  # what a killed worker leaves goes with the test
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


def test_a_worker_killed_while_converting_is_followed_by_another(
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
        convert(event_of(job), services)
    age(services, job, CLAIM_SECONDS + 1)
    assert convert(event_of(job), services) is not None
    _assert_one_mp3(services, job)
    assert job_now(services, job.id).attempts == 2


def test_a_paused_worker_that_wakes_after_its_claim_ran_out_does_not_win(
    services: Services, long_sound: bytes, worker: Callable[[Job], subprocess.Popen[str]]
) -> None:
    job = queued_job(services, long_sound)
    process = worker(job)
    process.send_signal(signal.SIGSTOP)
    age(services, job, CLAIM_SECONDS + 1)
    convert(event_of(job), services)
    winner = job_now(services, job.id)
    process.send_signal(signal.SIGCONT)
    assert process.stdin is not None
    try:
        process.stdin.write("\n" * 1000)
        process.stdin.close()
    except BrokenPipeError:
        assert process.poll() is not None
    process.stdin = None
    process.communicate(timeout=30)
    assert job_now(services, job.id) == winner
    _assert_one_mp3(services, job)


def _children() -> list[str]:
    """Return the FFmpegs that this process has started and that still run."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=,args=", "--ppid", str(os.getpid())], check=False, capture_output=True, text=True
    )
    return [line for line in listed.stdout.splitlines() if "ffmpeg" in line and " Z" not in line]


def test_over_http_a_reply_is_an_event_nothing_is_204_and_trouble_is_503(services: Services, job: Job) -> None:
    app.services = services
    client = app.test_client()
    headers, body = to_http(event_of(job))
    videos = services.videos
    services.videos = breaking(videos, beyond=0)
    assert_problem(client.post("/", data=body, headers=headers), 503)
    services.videos = videos
    response = client.post("/", data=body, headers=headers)
    assert response.status_code == 200
    assert from_http(dict(response.headers), response.data).get_type() == MP3_READY
    services.jobs.delete(job.id)
    assert client.post("/", data=body, headers=headers).status_code == 204
    assert_problem(client.post("/", data=b"{}", headers={"Content-Type": "application/json"}), 400)


def test_over_http_what_nobody_foresaw_is_503_and_never_500(services: Services, job: Job) -> None:
    class Strange:
        def open(self, fid: str) -> None:
            raise RuntimeError("a bug")

    app.services = services
    services.videos = Strange()
    headers, body = to_http(event_of(job))
    response = app.test_client().post("/", data=body, headers=headers)
    assert_problem(response, 503)
    assert "a bug" not in response.text
