"""An upload in parts continues after a lost connection, and in a later process."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from devservers.forwarder import Forwarder
from devservers.waiting import DEADLINE_SECONDS
from soundlift.client import ApiError, Client, Job
from soundlift.common.services import Services
from tests.client.conftest import EMAIL, Killed
from tests.client.servers import Deployment
from tests.factories.jobs import MP4, job_now

PART = 2**20
VIDEO = MP4 + os.urandom(5 * PART)

# together, its tests take seconds of a fast loop
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("_no_pause")]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    file = tmp_path / "a.mp4"
    file.write_bytes(VIDEO)
    return file


@pytest.fixture
def connect(deployment: Deployment, services: Services, records: Path) -> Iterator[Callable[..., Client]]:
    """Return a function that makes a new client, as a new process has it."""
    clients = []

    def connect(user: str = EMAIL, port: int | None = None, **options: Any) -> Client:
        url = f"http://127.0.0.1:{port}" if port else deployment.url
        token = services.tokens.sign_in(user, admin=False)
        clients.append(Client(url, token=token, part_bytes=PART, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def _kill(client: Client, file: Path, after: int, **options: Any) -> None:
    """Upload a file, and end after so many bytes."""

    def stop(done: int, total: int | None) -> None:
        if done > after:
            raise Killed

    with pytest.raises(Killed):
        client.upload(file, on_progress=stop, **options)


def _continue(client: Client, file: Path, **options: Any) -> tuple[Job, list[int]]:
    """Upload a file, and return its job and the numbers of bytes that the server had."""
    seen: list[int] = []
    return client.upload(file, on_resumable=lambda done, total: seen.append(done), **options), seen


def _stored(services: Services, job: Job) -> bytes:
    with services.videos.open(job_now(services, job.id).video_fid).file as file:
        return file.read()


def test_an_upload_in_parts_makes_the_same_job(
    connect: Callable[..., Client], deployment: Deployment, services: Services, records: Path, tmp_path: Path
) -> None:
    file = tmp_path / "Ünïcode 🎵, 100 %.mp4"
    file.write_bytes(VIDEO)
    seen: list[int] = []
    job = connect().upload(
        file, on_progress=lambda done, total: seen.append(done), bitrate=96, tag={"title": "T, &=Ü", "artist": ""}
    )
    assert (job.state, job.file_name, job.video_bytes) == ("queued", file.name, len(VIDEO))
    assert (job.options["bitrate"], job.options["tag.title"], job.options["tag.artist"]) == (96, "T, &=Ü", "")
    assert _stored(services, job) == VIDEO
    assert job_now(services, job.id).content_type == "video/mp4"
    assert seen == sorted(seen)
    assert seen[-1] == len(VIDEO)
    assert [line.split()[0] for line in deployment.lines if line.startswith("PATCH")] == ["PATCH"] * 6
    assert list(records.iterdir()) == []


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
def test_after_a_lost_connection_at_most_a_part_is_sent_again(
    connect: Callable[..., Client], deployment: Deployment, services: Services, video: Path, *, reset: bool
) -> None:
    with Forwarder(deployment.port) as line:
        cuts = [PART // 2, 3 * PART + 1000]

        def cut(done: int, total: int | None) -> None:
            if cuts and done > cuts[0]:
                cuts.pop(0)
                line.drop_connections(reset=reset)

        job = connect(port=line.port).upload(video, on_progress=cut)
        assert line.received_bytes < len(VIDEO) + 2 * PART + 16_000
    assert cuts == []
    assert _stored(services, job) == VIDEO
    assert [row.id for row in services.jobs.page(None)] == [job.id]


def test_a_later_process_sends_only_the_rest(
    connect: Callable[..., Client], deployment: Deployment, services: Services, records: Path, video: Path
) -> None:
    with Forwarder(deployment.port) as line:
        _kill(connect(port=line.port), video, 3 * PART, bitrate=96)
        (record,) = records.iterdir()
        assert stat.S_IMODE(record.stat().st_mode) == 0o600
        assert stat.S_IMODE(records.stat().st_mode) == 0o700
        job, seen = _continue(connect(port=line.port), video, bitrate=96)
        assert 3 * PART <= seen[0] < 4 * PART
        assert line.received_bytes < len(VIDEO) + PART + 16_000
    assert _stored(services, job) == VIDEO
    assert [row.id for row in services.jobs.page(None)] == [job.id]
    assert list(records.iterdir()) == []


def test_an_upload_that_was_killed_before_its_record_was_removed_makes_no_second_job(
    connect: Callable[..., Client], deployment: Deployment, services: Services, records: Path, video: Path
) -> None:
    kept: dict[Path, bytes] = {}

    def keep(done: int, total: int | None) -> None:
        kept.update({record: record.read_bytes() for record in records.iterdir()})

    job = connect().upload(video, on_progress=keep)
    for record, content in kept.items():
        record.write_bytes(content)
    deployment.requests.clear()
    again, _ = _continue(connect(), video)
    assert again.id == job.id
    assert not [line for line in deployment.lines if line.startswith(("PATCH", "POST"))]
    assert list(records.iterdir()) == []
    assert connect().upload(video).id != job.id, "the same file may be converted again"


@pytest.mark.parametrize("change", ["the file", "the options", "the name", "the user"])
def test_an_upload_of_something_else_begins_anew(
    connect: Callable[..., Client], services: Services, video: Path, change: str
) -> None:
    _kill(connect(), video, 2 * PART)
    if change == "the file":
        os.utime(video, ns=(1, 1))
    client = connect("bob@example.org" if change == "the user" else EMAIL)
    options = {"the options": {"bitrate": 96}, "the name": {"name": "b.mp4"}}.get(change, {})
    job, seen = _continue(client, video, **options)
    assert seen[0] == 0
    assert _stored(services, job) == VIDEO


@pytest.mark.parametrize("record", [b"", b'{"path": "/upl', b'{"path": 1, "key": 2}', b"[]", None])
def test_an_upload_whose_record_is_of_no_use_begins_anew(
    connect: Callable[..., Client], services: Services, records: Path, video: Path, record: bytes | None
) -> None:
    _kill(connect(), video, 2 * PART)
    (file,) = records.iterdir()
    file.unlink() if record is None else file.write_bytes(record)
    job, seen = _continue(connect(), video)
    assert seen[0] == 0
    assert _stored(services, job) == VIDEO


def test_an_upload_that_the_server_has_removed_begins_anew(
    connect: Callable[..., Client], deployment: Deployment, services: Services, video: Path
) -> None:
    _kill(connect(), video, 2 * PART)
    (path,) = {request.path for request in deployment.requests if request.method == "PATCH"}
    connect()._api.json("DELETE", path, headers={"Tus-Resumable": "1.0.0"})
    job, seen = _continue(connect(), video)
    assert seen[0] == 0
    assert _stored(services, job) == VIDEO


def test_two_processes_that_upload_the_same_file_do_not_disturb_each_other(
    connect: Callable[..., Client], services: Services, video: Path
) -> None:
    first_is_on_its_way, second_has_ended = Event(), Event()
    jobs: list[Job] = []

    def hold(done: int, total: int | None) -> None:
        first_is_on_its_way.set()
        assert second_has_ended.wait(DEADLINE_SECONDS)

    first = Thread(target=lambda: jobs.append(connect().upload(video, on_progress=hold)))
    first.start()
    assert first_is_on_its_way.wait(DEADLINE_SECONDS)
    second, seen = _continue(connect(), video)
    second_has_ended.set()
    first.join()
    assert seen == [], "it cannot be continued"
    assert {_stored(services, job) for job in (*jobs, second)} == {VIDEO}
    assert len({jobs[0].id, second.id}) == 2


def test_without_a_folder_for_records_a_file_is_uploaded_all_the_same(
    connect: Callable[..., Client], services: Services, records: Path, video: Path
) -> None:
    records.parent.parent.write_text("a file where the folder should be")
    job, seen = _continue(connect(), video)
    assert seen == []
    assert _stored(services, job) == VIDEO


def test_a_client_keeps_no_records_if_it_should_not(connect: Callable[..., Client], records: Path, video: Path) -> None:
    _kill(connect(keep_records=False), video, 2 * PART)
    assert not records.exists()


def test_a_file_that_is_refused_is_an_error_and_makes_no_job(
    connect: Callable[..., Client], services: Services, tmp_path: Path
) -> None:
    file = tmp_path / "letter.txt"
    file.write_bytes(b"Dear Sir or Madam" * PART)
    with pytest.raises(ApiError) as failure:
        connect().upload(file)
    assert failure.value.code == "unsupported_media_type"
    assert services.jobs.page(None) == []
