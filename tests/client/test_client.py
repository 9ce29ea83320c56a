"""The client speaks with the functions over HTTP: what it sends, what it makes of their answers, and of others."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import urllib3

from soundlift import client as client_module
from soundlift.client import BLOCK, CONNECT_SECONDS, POLL_SECONDS, ApiError, Client, ConnectionFailed, Job
from soundlift.common.services import Services
from tests.client.servers import Deployment, Reply, WrittenAnswers
from tests.factories.accounts import PASSWORD
from tests.factories.jobs import MP4, failed_job, job_now, notified_job, queued_job, ready_job, receiving_job

EMAIL = "ada@example.org"
VIDEO = MP4 + bytes(BLOCK)


@pytest.fixture
def deployment(services: Services) -> Iterator[Deployment]:
    with Deployment(services).running() as deployment:
        yield deployment


@pytest.fixture
def client(deployment: Deployment, services: Services) -> Client:
    """Return a client that has signed in."""
    return Client(deployment.url, token=services.tokens.sign_in(EMAIL, admin=False))


class Clock:
    """A clock that goes on only where a client sleeps, or a test lets it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(services: Services, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock of a client whose server never waits."""
    services.settings = replace(services.settings, long_polls=0)
    clock = Clock()
    monkeypatch.setattr(client_module, "time", clock)
    return clock


@pytest.fixture
def server() -> Iterator[WrittenAnswers]:
    with WrittenAnswers().running() as server:
        yield server


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a client ask again at once."""
    monkeypatch.setattr(client_module, "RETRIES", client_module.RETRIES.new(backoff_factor=0))


def test_a_client_signs_in_before_the_first_request_that_needs_it_and_once(deployment: Deployment) -> None:
    client = Client(f"{deployment.url}/", email=EMAIL, password=PASSWORD)
    assert [client.validate()["username"] for _ in range(2)] == [EMAIL] * 2
    assert deployment.lines == ["POST /login", "GET /validate", "GET /validate"]


def test_a_wrong_password_is_told_as_the_server_says_it(deployment: Deployment) -> None:
    with pytest.raises(ApiError) as refusal:
        Client(deployment.url, email=EMAIL, password="wrong").validate()
    error = refusal.value
    assert (error.status, error.code, error.title) == (401, "invalid_credentials", "Invalid Credentials")
    assert error.detail == str(error) == "The e-mail address or the password is wrong."


@pytest.mark.parametrize("name", ["Ünïcode 🎵, 100 %.mp4", "a/b.mov", "no suffix"])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_is_uploaded_by_its_path_under_its_name(
    client: Client, services: Services, tmp_path: Path, name: str, kind: Callable[[str], str | Path]
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(VIDEO)
    job = client.upload(kind(str(file)))
    assert (job.state, job.file_name, job.video_bytes) == ("queued", file.name, len(VIDEO))
    assert _stored(services, job) == VIDEO


@pytest.mark.parametrize(
    ("name", "file_name", "content_type"),
    [
        ("b.mp4", "b.mp4", "video/mp4"),
        ("b.mov", "b.mov", "video/quicktime"),
        ("b.none", "b.none", "application/octet-stream"),
        (None, "video", "application/octet-stream"),
    ],
)
def test_an_open_file_is_uploaded_from_its_position_on_under_the_name_given(
    client: Client,
    deployment: Deployment,
    services: Services,
    name: str | None,
    file_name: str,
    content_type: str,
) -> None:
    file = io.BytesIO(b"before" + VIDEO)
    file.seek(6)
    seen: list[tuple[int, int | None]] = []
    job = client.upload(file, name, lambda done, total: seen.append((done, total)))
    assert seen == [(BLOCK, len(VIDEO)), (len(VIDEO), len(VIDEO))]
    assert (job.file_name, job.video_bytes) == (file_name, len(VIDEO))
    assert _stored(services, job) == VIDEO
    headers = deployment.asked[-1].headers
    assert (headers["Content-Type"], headers["Content-Length"]) == (content_type, str(len(VIDEO)))


def test_a_path_is_uploaded_with_the_name_the_progress_and_the_options_given(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(VIDEO)
    seen: list[int] = []
    job = client.upload(file, "b.mp4", lambda done, total: seen.append(done), {"bitrate": "96", "tag.title": "T&=Ü"})
    assert (job.file_name, seen[-1]) == ("b.mp4", len(VIDEO))
    assert (job.options["bitrate"], job.options["tag.title"]) == (96, "T&=Ü")


@pytest.mark.parametrize(
    "make",
    [
        queued_job,
        notified_job,
        lambda services: failed_job(services, "There is no sound in it."),
        lambda services: ready_job(services, missing_seconds=1.5),
    ],
)
def test_a_job_is_told_as_it_is(client: Client, services: Services, make: Callable[[Services], Any]) -> None:
    row = make(services)
    job = client.job(row.id)
    same = (
        "id",
        "percent",
        "file_name",
        "username",
        "video_bytes",
        "mp3_bytes",
        "length",
        "missing_seconds",
        "error",
        "error_code",
    )
    assert {name: getattr(job, name) for name in same} == {name: getattr(row, name) for name in same}
    assert job.state == str(row.state)
    assert job.created_at == datetime.fromtimestamp(row.created_at, UTC)
    notifications = services.notifications.of([row.id])[row.id]
    assert [one.channel for one in job.notifications] == [one.channel for one in notifications]
    for one, stored in zip(job.notifications, notifications, strict=True):
        assert one.delivered_at == (datetime.fromtimestamp(stored.delivered_at, UTC) if stored.delivered_at else None)
        assert one.error == stored.error
        assert one.pending == (stored.due_at is not None)
    assert job.options["quality"] == 2
    assert job.ready == (row.state == "ready")


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        ("queued", False),
        ("converting", False),
        ("ready", True),
        ("failed", True),
        ("cancelled", True),
        ("expired", True),
    ],
)
def test_a_job_has_ended_when_nothing_more_will_happen(
    client: Client, services: Services, state: str, ended: bool
) -> None:
    job = replace(client.job(queued_job(services).id), state=state)
    assert (job.ended, job.ready) == (ended, state == "ready")


def test_a_server_that_does_not_know_options_or_losses_is_understood() -> None:
    document = {"job_id": "1", "state": "queued", "error": None, "created_at": "2020-01-01T00:00:00Z"}
    job = Job.of(document)
    assert (job.id, job.options, job.missing_seconds, job.notifications) == ("1", {}, None, [])


def test_an_id_is_a_part_of_the_path_whatever_is_in_it(client: Client, deployment: Deployment) -> None:
    for call in (client.job, client.remove):
        with pytest.raises(ApiError) as refusal:
            call("../login?a=b#c")
        assert refusal.value.status == 404
    assert deployment.lines == ["GET /jobs/../login?a=b#c", "DELETE /jobs/../login?a=b#c"]


@pytest.mark.parametrize(("wait", "sent"), [(0, "0"), (1.9, "1"), (30, "30")])
def test_an_answer_is_waited_for_longer_than_the_server_waits(
    client: Client, deployment: Deployment, services: Services, monkeypatch: pytest.MonkeyPatch, wait: float, sent: str
) -> None:
    waited: list[urllib3.Timeout] = []
    request = urllib3.PoolManager.request

    def record(*arguments: Any, **options: Any) -> urllib3.BaseHTTPResponse:
        waited.append(options["timeout"])
        return request(*arguments, **options)

    monkeypatch.setattr(urllib3.PoolManager, "request", record)
    client.job(ready_job(services).id, wait=wait)
    assert deployment.asked[-1].args["wait"] == sent
    assert [(one.connect_timeout, one.read_timeout) for one in waited] == [(CONNECT_SECONDS, wait + 60)]


def test_a_job_is_shown_each_time_it_is_looked_at_until_it_has_ended(
    client: Client, services: Services, clock: Clock
) -> None:
    row = queued_job(services)
    seen: list[str] = []

    def show(job: Job) -> None:
        seen.append(job.state)
        clock.now += 1.5
        if len(seen) == 2:
            services.jobs.cancel(row.id)

    assert client.wait(row.id, show).state == "cancelled"
    assert seen == ["queued", "queued", "cancelled"]
    assert clock.slept == [POLL_SECONDS - 1.5] * 2


@pytest.mark.parametrize(
    ("timeout", "slept", "waits"),
    [(0, [], ["0"]), (1, [1], ["1", "0"]), (2 * POLL_SECONDS + 1, [2, 2, 1], ["2", "2", "1", "0"])],
)
def test_a_job_that_has_not_ended_in_time_is_returned_as_it_is_after_few_looks(
    client: Client,
    deployment: Deployment,
    services: Services,
    clock: Clock,
    timeout: int,
    slept: list[float],
    waits: list[str],
) -> None:
    assert client.wait(queued_job(services).id, timeout=timeout).state == "queued"
    assert clock.slept == slept
    assert [request.args["wait"] for request in deployment.asked] == waits


def test_a_server_that_waits_itself_is_asked_again_at_once(client: Client, services: Services, clock: Clock) -> None:
    def wait_long(job: Job) -> None:
        clock.now += POLL_SECONDS + 1

    client.wait(queued_job(services).id, wait_long, timeout=POLL_SECONDS + 2)
    assert clock.slept == [0]


@pytest.mark.parametrize(("timeout", "wait"), [(None, "2"), (100, "2"), (1.5, "1"), (0.5, "0"), (-1, "0")])
@pytest.mark.usefixtures("clock")
def test_the_server_is_asked_to_wait_no_longer_than_the_timeout(
    client: Client, deployment: Deployment, services: Services, timeout: float | None, wait: str
) -> None:
    client.wait(ready_job(services).id, timeout=timeout)
    assert [request.args["wait"] for request in deployment.asked] == [wait]


def test_all_jobs_are_listed_newest_first_however_many_pages_they_fill(
    client: Client, deployment: Deployment, services: Services
) -> None:
    assert list(client.jobs()) == []
    ids = []
    for _ in range(51):
        ids.append(receiving_job(services).id)
        assert services.jobs.queue(ids[-1], video_bytes=1, options=None)
    newest_first = [job.id for job in services.jobs.page(None, limit=100)]
    assert sorted(newest_first) == sorted(ids)
    assert [job.id for job in client.jobs()] == newest_first
    assert [dict(request.args) for request in deployment.asked] == [{}, {}, {"after": newest_first[49]}]


def test_a_job_is_cancelled_and_then_deleted(client: Client, services: Services) -> None:
    row = queued_job(services)
    cancelled = client.remove(row.id)
    assert cancelled is not None
    assert (cancelled.id, cancelled.state) == (row.id, "cancelled")
    assert client.remove(row.id) is None
    assert list(client.jobs()) == []


@pytest.mark.parametrize("by", ["id", "job"])
def test_an_mp3_is_saved_whole_under_the_path_and_replaces_what_was_there(
    client: Client, services: Services, tmp_path: Path, by: str
) -> None:
    row = ready_job(services, VIDEO)
    target = tmp_path / "saved" / "a.mp3"
    target.parent.mkdir()
    target.write_bytes(b"old")
    seen: list[tuple[int, int | None]] = []
    job = client.job(row.id) if by == "job" else row.id
    saved = client.download(job, str(target), lambda done, total: seen.append((done, total)))
    assert (saved, target.read_bytes()) == (target, VIDEO)
    assert list(target.parent.iterdir()) == [target]
    assert seen == [(BLOCK, len(VIDEO)), (len(VIDEO), len(VIDEO))]


def test_an_mp3_that_is_not_there_leaves_no_file(client: Client, services: Services, tmp_path: Path) -> None:
    target = tmp_path / "saved" / "a.mp3"
    target.parent.mkdir()
    with pytest.raises(ApiError) as refusal:
        client.download(queued_job(services).id, target)
    assert refusal.value.code == "not_ready"
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("reply", "title", "code", "detail"),
    [
        (Reply(403, b"<html>"), "Forbidden", "unexpected_answer", "The server answered 403 Forbidden."),
        (Reply(403, b"[]"), "Forbidden", "unexpected_answer", "The server answered 403 Forbidden."),
        (Reply(403, b'{"title": "No"}'), "No", "unexpected_answer", "The server answered 403 No."),
        (Reply(403, b'{"title": "No", "code": "no", "detail": "Never."}'), "No", "no", "Never."),
        (Reply(302, b"", {"Location": "/"}), "Found", "unexpected_answer", "The server answered 302 Found."),
        (Reply(300), "Multiple Choices", "unexpected_answer", "The server answered 300 Multiple Choices."),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_is_told_also_where_a_proxy_has_answered(
    server: WrittenAnswers, tmp_path: Path, reply: Reply, title: str, code: str, detail: str, stream: bool
) -> None:
    server.replies = [reply]
    client = Client(server.url, token="any")
    with pytest.raises(ApiError) as refusal:
        client.download("1", tmp_path / "a.mp3") if stream else client.validate()
    error = refusal.value
    assert (error.status, error.title, error.code, error.detail) == (reply.status, title, code, detail)
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"text"', b"null"])
def test_an_answer_that_is_no_document_is_not_soundlift_s(server: WrittenAnswers, body: bytes) -> None:
    server.replies = [Reply(200, body)]
    client = Client(server.url, token="any")
    for call in (client.validate, client.login, lambda: client.job("1"), lambda: client.remove("1")):
        with pytest.raises(ConnectionFailed, match="Is this the address of a Soundlift gateway"):
            call()


@pytest.mark.usefixtures("_no_pause")
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_only_reads_is_asked_again_where_the_server_is_busy_and_nothing_else_is(
    server: WrittenAnswers, status: int
) -> None:
    busy, document = Reply(status), json.dumps({"claims": {"username": EMAIL}}).encode()
    client = Client(server.url, token="any")
    server.replies = [busy, busy, busy, Reply(200, document)]
    assert client.validate() == {"username": EMAIL}
    server.replies = [busy]
    with pytest.raises(ApiError) as refusal:
        client.validate()
    assert refusal.value.status == status
    assert server.asked == ["GET /validate"] * 8
    server.asked.clear()
    for call in (lambda: client.remove("1"), lambda: client.upload(io.BytesIO(MP4))):
        with pytest.raises(ApiError):
            call()
    assert server.asked == ["DELETE /jobs/1", "POST /upload"]


@pytest.mark.usefixtures("_no_pause")
def test_a_connection_is_tried_again_but_for_an_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []
    connect = urllib3.util.connection.create_connection

    def record(*arguments: Any, **options: Any) -> object:
        tried.append(arguments[0])
        return connect(*arguments, **options)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", record)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # it does not listen, and nobody else can on its port
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", token="any")
        for call, times in ((client.validate, 4), (lambda: client.upload(io.BytesIO(MP4)), 1)):
            tried.clear()
            with pytest.raises(ConnectionFailed, match="cannot be reached"):
                call()
            assert len(tried) == times


def _stored(services: Services, job: Job) -> bytes:
    with services.videos.open(job_now(services, job.id).video_fid).file as file:
        return file.read()
