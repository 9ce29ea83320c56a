"""upload: slow, interrupted and abandoned uploads."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from devservers.waiting import wait_for
from functions.upload import lease
from functions.upload.body import BLOCK_BYTES
from functions.upload.handler import app
from functions.upload.lease import REFRESH_SECONDS
from soundlift.common.jobs.disposal import dispose
from soundlift.common.jobs.model import RECEIVE_SECONDS, UPLOAD_LEASE_SECONDS, Job
from soundlift.common.media import MediaInfo, MediaWriter
from soundlift.common.services import Services
from tests.api.uploads import LARGE, SlowBody, only_job, send, traces
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, age, job_now
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call


def test_a_body_shorter_than_its_length_is_rejected_and_rolled_back(function: Call, services: Services) -> None:
    announced = {"CONTENT_LENGTH": str(len(MP4) + 1), "wsgi.input_terminated": True}  # as with gunicorn
    body = io.BytesIO(MP4)
    response = function("upload").post("/", input_stream=body, environ_overrides=announced, headers=bearer(services))
    assert_problem(response, 400)
    assert traces(services) == []


def test_a_lease_survives_two_refreshes_that_failed() -> None:
    assert 3 * REFRESH_SECONDS <= UPLOAD_LEASE_SECONDS < RECEIVE_SECONDS


def _is_abandoned(services: Services, job: Job) -> bool:
    age(services, job, RECEIVE_SECONDS + 1)
    return services.jobs.abandon(job)


def test_an_upload_is_not_abandoned_however_slowly_its_bytes_arrive(
    function: Call, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "REFRESH_SECONDS", 0.01)

    def wait_for_lease() -> None:
        age(services, only_job(services), RECEIVE_SECONDS + 60)
        wait_for(lambda: services.jobs.interrupted() == [], "the lease is renewed")

    assert send(function, services, SlowBody(wait_for_lease)).status_code == 202


def test_a_reservation_renews_the_lease(function: Call, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RESERVATION_BYTES", BLOCK_BYTES)

    def pass_time() -> None:
        assert services.jobs.interrupted() == []
        age(services, only_job(services), RECEIVE_SECONDS - 60)

    assert send(function, services, SlowBody(pass_time), announced=False).status_code == 202


def test_an_upload_that_cannot_be_rolled_back_is_left_to_cleanup(function: Call, services: Services) -> None:
    media = services.settings.soundlift_data / "media"
    moved = media.with_name("moved")

    def cut_off_store() -> None:
        body.before_block = lambda: None
        media.rename(moved)
        media.write_text("a file in place of the folder")

    body = SlowBody(cut_off_store)
    response = function("upload").post(
        "/",
        input_stream=body,
        environ_overrides={"CONTENT_LENGTH": str(len(LARGE) + 1), "wsgi.input_terminated": True},
        headers=bearer(services),
    )
    assert_problem(response, 400)
    media.unlink()
    moved.rename(media)
    assert len(traces(services)) == 2
    assert function("cleanup").post("/").json["orphans"] == 1
    assert traces(services) == []


@pytest.mark.parametrize("noticed_by", ["refresh", "reservation", "commit"])
@pytest.mark.parametrize("disposed", [True, False])
def test_an_upload_that_was_abandoned_meanwhile_is_answered_503(
    function: Call, services: Services, monkeypatch: pytest.MonkeyPatch, disposed: bool, noticed_by: str
) -> None:
    if noticed_by == "refresh":
        monkeypatch.setattr(lease, "REFRESH_SECONDS", 0.01)

    def abandon() -> None:
        body.before_block = lambda: None
        job = only_job(services)
        wait_for(lambda: _is_abandoned(services, job), "the upload is abandoned between two refreshes")
        if disposed:
            assert dispose(job_now(services, job.id), services)
        if noticed_by == "refresh":
            wait_for(lambda: all(one.name != "upload-lease" for one in threading.enumerate()), "the lease is lost")

    body = SlowBody(abandon)
    assert_problem(send(function, services, body, announced=noticed_by != "reservation"), 503)
    assert (body.tell() == len(LARGE)) == (noticed_by == "commit")
    if not disposed:
        assert function("cleanup").post("/").json["orphans"] == 1
    assert traces(services) == []
    assert services.broker.receive(["video"], timeout=0) is None


def test_an_upload_whose_row_was_deleted_before_its_file_began_leaves_no_file(
    function: Call, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = services.videos.create

    def wake_up_too_late(fid: str, info: MediaInfo) -> MediaWriter:
        job = job_now(services, info.job_id)
        assert _is_abandoned(services, job)
        assert dispose(job_now(services, job.id), services)
        return create(fid, info)

    monkeypatch.setattr(services.videos, "create", wake_up_too_late)
    assert_problem(send(function, services, io.BytesIO(MP4)), 503)
    assert traces(services) == []


@pytest.fixture
def address(services: Services) -> Iterator[tuple[str, int]]:
    """Serve upload over real sockets."""
    app.services = services
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield ("127.0.0.1", server.port)
    server.shutdown()
    thread.join()
    server.server_close()


def test_bytes_are_stored_as_they_arrive_and_deleted_after_a_disconnect(
    services: Services, address: tuple[str, int]
) -> None:
    token = bearer(services)["Authorization"]
    head = f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: 100000000\r\n\r\n".encode()
    media = services.settings.soundlift_data / "media"

    def arrived() -> list[Path]:
        return [path for path in media.rglob("*.part") if path.stat().st_size > 2**20]

    with socket.create_connection(address) as client:
        client.sendall(head + MP4 + bytes(2**22))
        wait_for(arrived, "a part of the video is stored")
        assert services.jobs.page(None) == []
    wait_for(lambda: not traces(services), "the partial upload is rolled back")
