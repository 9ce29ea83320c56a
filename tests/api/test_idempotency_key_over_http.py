"""upload behind gunicorn: repetitions whose body is not read, and an upload whose process was killed."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator

import pytest
import urllib3

from devservers.waiting import wait_for
from soundlift.common.jobs.model import UPLOAD_LEASE_SECONDS
from soundlift.common.services import Services
from tests.api.function_server import FunctionServer, read_problem, read_response, served
from tests.api.keyed_uploads import KEY
from tests.api.uploads import LARGE, only_job, read_stored, traces
from tests.factories.accounts import bearer
from tests.factories.jobs import age

pytestmark = pytest.mark.servers


@pytest.fixture
def server(services: Services) -> Iterator[FunctionServer]:
    with served("upload", services) as server:
        yield server


def headers(services: Services) -> dict[str, str]:
    return {**bearer(services), "Idempotency-Key": KEY, "Content-Length": str(len(LARGE))}


def begin(server: FunctionServer, services: Services, body: bytes = b"") -> socket.socket:
    """Begin an upload of LARGE, and send some of its bytes."""
    return server.connect("POST /", headers(services), body)


def test_a_repetition_is_answered_before_its_body_has_been_sent(services: Services, server: FunctionServer) -> None:
    first = urllib3.request("POST", server.url, body=LARGE, headers=headers(services), retries=False)
    assert first.status == 202
    with begin(server, services) as connection:
        status, _, body = read_response(connection)
        assert (status, json.loads(body)) == (202, json.loads(first.data))


def test_an_upload_whose_process_was_killed_is_taken_over_once_its_lease_is_over(
    services: Services, server: FunctionServer
) -> None:
    with begin(server, services, LARGE[: 2 * 2**20]):
        wait_for(lambda: traces(services), "the upload has begun")
        dead = only_job(services)
        killed = server.worker
        os.kill(killed, signal.SIGKILL)
    wait_for(lambda: server.answers() and server.worker != killed, "another worker has started")
    with begin(server, services) as connection:
        assert read_problem(connection)["code"] == "upload_in_progress"
    age(services, dead, UPLOAD_LEASE_SECONDS)
    repeated = urllib3.request("POST", server.url, body=LARGE, headers=headers(services), retries=False)
    (job,) = services.jobs.page(None)
    assert (repeated.status, json.loads(repeated.data)["job_id"]) == (202, job.id)
    assert job.id != dead.id
    assert read_stored(services, job.video_fid) == LARGE
