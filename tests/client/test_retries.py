"""Requests are repeated while the server restarts or is busy, but never so that something would happen twice."""

from __future__ import annotations

import io
import json
import os
import re
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from devservers.ports import free_port
from soundlift.client import ApiError, Client, ClientError, ConnectionFailed
from soundlift.common.services import Services
from tests.client.conftest import EMAIL
from tests.client.servers import Deployment, Reply, WrittenAnswers
from tests.factories.jobs import MP4, queued_job, ready_job

CLAIMS = Reply(200, json.dumps({"claims": {"username": EMAIL}}).encode())
BROKEN = Reply(200, b"", {"Content-Length": "100"})
NOT_FOUND = Reply(404, b'{"code": "not_found", "detail": "No upload has this key."}')
IN_PROGRESS = Reply(409, b'{"code": "upload_in_progress", "detail": "It is in progress."}')
ACCEPTED = Reply(202, b'{"job_id": "1", "state": "queued", "error": null, "created_at": "2020-01-01T00:00:00Z"}')
FULL = Reply(429, b'{"code": "storage_full", "detail": "The storage is full."}')
LOCKED = Reply(429, b'{"code": "too_many_attempts", "detail": "Try again in 30 seconds."}', {"Retry-After": "30"})

pytestmark = pytest.mark.usefixtures("_no_pause")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_request_without_side_effects_is_repeated_while_the_server_is_busy(
    server: WrittenAnswers, status: int
) -> None:
    server.replies = [Reply(status)] * 3 + [CLAIMS]
    assert Client(server.url, token="any").validate() == {"username": EMAIL}
    assert server.requests == ["GET /validate"] * 4


def test_an_interrupted_answer_is_requested_again(server: WrittenAnswers) -> None:
    server.replies = [BROKEN, CLAIMS]
    assert Client(server.url, token="any").validate() == {"username": EMAIL}


def test_a_callback_gets_the_reason_of_each_repetition(server: WrittenAnswers) -> None:
    seen: list[ClientError] = []
    server.replies = [Reply(503, b'{"code": "unavailable", "detail": "Not now."}'), BROKEN, CLAIMS]
    Client(server.url, token="any", on_retry=lambda error, pause: seen.append(error)).validate()
    assert [type(error) for error in seen] == [ApiError, ConnectionFailed]
    assert seen[0].detail == "Not now."


def test_repetition_ends_after_the_given_time(server: WrittenAnswers, _stepping_time: None) -> None:
    server.replies = [Reply(503)]
    with pytest.raises(ApiError):
        Client(server.url, token="any", retry_seconds=10).validate()
    assert len(server.requests) == 10
    server.requests.clear()
    with pytest.raises(ApiError):
        Client(server.url, token="any", retry_seconds=0).validate()
    assert len(server.requests) == 1


@pytest.mark.parametrize("reply", [FULL, LOCKED, Reply(503, b"{}", {"Retry-After": "3600"}), Reply(500), Reply(404)])
def test_a_refusal_that_does_not_pass_soon_is_an_error(server: WrittenAnswers, reply: Reply) -> None:
    server.replies = [reply]
    client = Client(server.url, token="any", retry_seconds=float("inf"))
    for call in (client.validate, lambda: client.upload(io.BytesIO(MP4))):
        with pytest.raises(ApiError):
            call()
    assert server.requests == ["GET /validate", "POST /upload"]


def test_a_wrong_address_is_reported_after_a_few_tries() -> None:
    tries: list[float] = []
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # bound but not listening, so that no other process can use the port
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = Client(url, token="any", retry_seconds=float("inf"), on_retry=lambda _, pause: tries.append(pause))
        for call in (client.validate, lambda: client.upload(io.BytesIO(MP4))):
            tries.clear()
            with pytest.raises(ConnectionFailed, match="Cannot connect to"):
                call()
            assert len(tries) == 3


def test_a_server_that_has_answered_once_may_restart(services: Services) -> None:
    with Deployment(services).running() as first:
        client = Client(first.url, token=services.tokens.sign_in(EMAIL, admin=False), retry_seconds=30)
        client.validate()
    tries: list[float] = []

    def restart(error: ClientError, pause: float) -> None:
        tries.append(pause)
        if len(tries) == 10:
            second.enter_context(Deployment(services, first.port).running())

    with ExitStack() as second:
        client.keep_trying(30, restart)
        assert client.validate()["username"] == EMAIL
    assert len(tries) >= 10


def test_what_changes_a_job_is_not_repeated_if_its_answer_is_lost(server: WrittenAnswers) -> None:
    server.replies = [BROKEN]
    client = Client(server.url, token="any")
    for call in (client.delete, client.retry):
        server.requests.clear()
        with pytest.raises(ConnectionFailed):
            call("1")
        assert len(server.requests) == 1


def test_a_lost_answer_of_a_cancellation_deletes_nothing(
    client: Client, deployment: Deployment, services: Services
) -> None:
    row = queued_job(services)
    deployment.cuts = [None, 0]
    with pytest.raises(ConnectionFailed):
        client.cancel(row.id)
    assert deployment.requests[-1].args["only"] == "cancel"
    assert client.cancel(row.id).state == "cancelled"
    assert client.cancel(ready_job(services).id).state == "ready"


def test_an_upload_whose_answer_is_lost_makes_one_job(
    client: Client, deployment: Deployment, services: Services, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(MP4)
    earlier = client.upload(tmp_path / "a.mp4")
    deployment.cuts = [0]
    job = client.upload(tmp_path / "a.mp4")
    assert sorted(row.id for row in services.jobs.page(None)) == sorted([earlier.id, job.id])
    assert earlier.id != job.id


def test_each_upload_has_a_key_of_its_own_which_its_repetitions_keep(server: WrittenAnswers) -> None:
    server.replies = [Reply(503), BROKEN, NOT_FOUND, ACCEPTED, ACCEPTED]
    client = Client(server.url, token="any")
    for _ in range(2):
        assert client.upload(io.BytesIO(MP4)).id == "1"
    keys = [headers["Idempotency-Key"] for headers in server.headers]
    assert server.requests == ["POST /upload", "POST /upload", "GET /upload", "POST /upload", "POST /upload"]
    assert keys[:4] == keys[:1] * 4
    assert keys[4] != keys[0]
    assert all(re.fullmatch('"[0-9a-f]{32}"', key) for key in keys)


def test_an_upload_that_the_server_has_nothing_of_is_sent_again(server: WrittenAnswers, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(MP4)
    server.replies = [BROKEN, NOT_FOUND, Reply(503), ACCEPTED]
    assert Client(server.url, token="any").upload(tmp_path / "a.mp4").id == "1"
    sent = [body for line, body in zip(server.requests, server.bodies, strict=True) if line == "POST /upload"]
    assert sent == [MP4] * 3


def test_an_upload_waits_while_the_server_still_stores_an_earlier_try(server: WrittenAnswers) -> None:
    server.replies = [BROKEN, IN_PROGRESS, IN_PROGRESS, ACCEPTED]
    assert Client(server.url, token="any").upload(io.BytesIO(MP4)).id == "1"
    assert server.requests == ["POST /upload"] + ["GET /upload"] * 3


def test_an_upload_whose_job_was_deleted_in_the_meantime_is_not_sent_again(server: WrittenAnswers) -> None:
    server.replies = [BROKEN, Reply(410, b'{"code": "upload_deleted", "detail": "The job was deleted."}')]
    with pytest.raises(ApiError, match="deleted"):
        Client(server.url, token="any").upload(io.BytesIO(MP4))
    assert server.requests == ["POST /upload", "GET /upload"]


def test_a_lost_answer_of_a_server_without_keys_is_an_error(server: WrittenAnswers) -> None:
    server.replies = [BROKEN, Reply(405)]
    with pytest.raises(ConnectionFailed, match="interrupted"):
        Client(server.url, token="any").upload(io.BytesIO(MP4))
    assert server.requests == ["POST /upload", "GET /upload"]


def test_a_lost_answer_to_a_pipe_is_found_by_its_key(
    client: Client, deployment: Deployment, services: Services
) -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as pipe:
        pipe.write(MP4)
    deployment.cuts = [0]
    with os.fdopen(read_end, "rb") as pipe:
        job = client.upload(pipe, "a.mp4")
    assert [row.id for row in services.jobs.page(None)] == [job.id]
    assert deployment.lines == ["POST /upload", "GET /upload"]


def test_a_pipe_is_sent_in_chunks_and_only_once(client: Client, services: Services) -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as pipe:
        pipe.write(MP4)
    with os.fdopen(read_end, "rb") as pipe:
        job = client.upload(pipe, "a.mp4")
    assert (job.file_name, job.video_bytes) == ("a.mp4", len(MP4))


def test_an_error_of_the_file_is_one_of_the_operating_system(client: Client, services: Services) -> None:
    class Damaged(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        client.upload(Damaged(MP4), "a.mp4")
    assert services.jobs.page(None) == []


def test_a_failed_connection_is_temporary_only_if_it_may_pass() -> None:
    with pytest.raises(ConnectionFailed) as failure:
        Client(f"http://127.0.0.1:{free_port()}", token="any", retry_seconds=0).validate()
    assert (failure.value.temporary, failure.value.unsent) == (True, True)
