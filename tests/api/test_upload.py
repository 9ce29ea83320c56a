"""upload: one file in, a job out; refused files leave no trace."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from cloudevents.core.v1.event import CloudEvent
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from devservers.waiting import wait_for
from functions.upload import reception
from functions.upload.body import BLOCK, LONGEST_NAME
from functions.upload.handler import app
from functions.upload.reception import REFRESH_SECONDS
from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.db.tables import jobs as table
from soundlift.common.errors import BrokerUnavailable, DatabaseUnavailable
from soundlift.common.events import VIDEO_UPLOADED, from_message, job_id_of, traceparent_of
from soundlift.common.jobs.disposal import dispose
from soundlift.common.jobs.model import RECEIVE_SECONDS, Job
from soundlift.common.media import MediaInfo, MediaWriter
from soundlift.common.services import Services
from soundlift.common.web.minimum_rate import MIN_BYTES_PER_SECOND
from tests.api.conftest import Call
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, age, job_now
from tests.factories.problems import assert_problem

NAME = "Ünïcode 🎵.mp4"
LARGE = MP4 + bytes(3 * BLOCK)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def _traces(services: Services) -> list[object]:
    """Return every row and every file that is there."""
    with services.database.read() as connection:
        rows = list(connection.execute(sa.select(table.c.id)))
    return [*rows, *(path for path in (services.settings.soundlift_data / "media").rglob("*") if path.is_file())]


def _stored(services: Services, fid: str) -> bytes:
    with services.videos.open(fid).file as file:
        return file.read()


@pytest.mark.parametrize("field", ["file", "video", "anything"])
def test_a_form_with_one_file_in_any_field_is_a_queued_job(function: Call, services: Services, field: str) -> None:
    form = {field: (io.BytesIO(MP4), NAME, "video/mp4"), "channels": "1"}
    response = function("upload").post("/", data=form, headers=bearer(services))
    assert response.status_code == 202
    answer = response.json
    job = job_now(services, answer["job_id"])
    assert (job.state, job.file_name, job.username, job.video_bytes) == ("queued", NAME, "ada@example.org", len(MP4))
    assert (answer["state"], answer["video_fid"]) == ("queued", job.video_fid)
    assert response.headers["Location"] == answer["links"]["self"] == f"http://127.0.0.1:8080/jobs/{job.id}"
    assert _stored(services, job.video_fid) == MP4


@pytest.mark.parametrize("ending", [b"\r", b"\n", b"\r\n", b"\r\n--", b"\r\n--frontie"])
def test_a_form_s_file_arrives_as_it_is_whatever_looks_like_a_boundary(
    function: Call, services: Services, ending: bytes
) -> None:
    content = MP4 + b"".join(bytes([number % 256]) * (65_000 + number) + ending for number in range(0, 900, 7))
    head = b'--frontier\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n'
    response = function("upload").post(
        "/",
        data=head + content + b"\r\n--frontier--\r\n",
        content_type="multipart/form-data; boundary=frontier",
        headers=bearer(services),
    )
    assert response.status_code == 202, response.text
    assert _stored(services, response.json["video_fid"]) == content


def test_a_field_that_is_no_file_may_not_be_large(function: Call, services: Services) -> None:
    body = b'--frontier\r\nContent-Disposition: form-data; name="comment"\r\n\r\n' + b"x" * 2**21
    form_type = "multipart/form-data; boundary=frontier"
    response = function("upload").post("/", data=body, content_type=form_type, headers=bearer(services))
    assert_problem(response, 413)
    assert _traces(services) == []


def test_an_upload_sends_its_event_with_the_trace_of_its_request(function: Call, services: Services) -> None:
    headers = {**bearer(services), "traceparent": TRACE}
    job_id = function("upload").post("/", data=MP4, headers=headers).json["job_id"]
    delivery = services.broker.receive(["video"], timeout=1)
    assert delivery is not None
    event = from_message(delivery.message)
    assert (event.get_type(), event.get_id(), job_id_of(event)) == (VIDEO_UPLOADED, f"{job_id}.uploaded", job_id)
    assert traceparent_of(event) == TRACE
    assert set(event.get_data()) == {"job_id", "video_fid", "mp3_fid", "username"}


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"X-Filename": "a.mp4"}, "a.mp4"),
        ({"X-Filename": "%C3%9Cn%C3%AFcode%20%F0%9F%8E%B5.mp4"}, NAME),
        ({"X-Filename": NAME.encode().decode("latin-1")}, NAME),
        ({"Content-Disposition": "attachment; filename*=UTF-8''%C3%9Cn%C3%AFcode%20%F0%9F%8E%B5.mp4"}, NAME),
        ({"Content-Disposition": 'attachment; filename="b.mp4"'}, "b.mp4"),
        ({"X-Filename": "../../etc/passwd"}, "passwd"),
        ({"X-Filename": "C:\\videos\\c.mp4"}, "c.mp4"),
        ({"X-Filename": "a%0d%0aBcc: x@example.org.mp4"}, "a__Bcc: x@example.org.mp4"),
        ({"X-Filename": "x" * LONGEST_NAME + ".mp4"}, "x" * (LONGEST_NAME - 4) + ".mp4"),
        ({"X-Filename": "x" * (LONGEST_NAME - 4) + ".mp4"}, "x" * (LONGEST_NAME - 4) + ".mp4"),
        ({"X-Filename": "folder/" * 2000 + "d.mp4"}, "d.mp4"),
        ({"X-Filename": "  e.mp4 "}, "e.mp4"),
        ({"X-Filename": "folder/"}, "video"),
        ({}, "video"),
    ],
)
def test_a_raw_body_gets_its_name_from_the_headers(
    function: Call, services: Services, headers: dict[str, str], name: str
) -> None:
    response = function("upload").post("/", data=MP4, headers={**bearer(services), **headers})
    assert job_now(services, response.json["job_id"]).file_name == name


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("a\tb.mp4", "a_b.mp4"),
        ("x" * LONGEST_NAME + ".mp4", "x" * (LONGEST_NAME - 4) + ".mp4"),
        ("folder/", "video"),
    ],
)
def test_a_name_in_a_form_is_made_a_plain_one(function: Call, services: Services, sent: str, name: str) -> None:
    head = f'--x\r\nContent-Disposition: form-data; name="f"; filename="{sent}"\r\n\r\n'.encode()
    response = function("upload").post(
        "/",
        data=head + MP4 + b"\r\n--x--\r\n",
        content_type="multipart/form-data; boundary=x",
        headers=bearer(services),
    )
    assert job_now(services, response.json["job_id"]).file_name == name


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("video/quicktime", "video/quicktime"),
        ("video/" + "x" * 200, "video/" + "x" * 94),
        (None, "application/octet-stream"),
    ],
)
@pytest.mark.parametrize("as_form", [False, True])
def test_row_and_store_know_whose_a_video_is_and_of_which_type(
    function: Call,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    as_form: bool,
    sent: str | None,
    kept: str,
) -> None:
    known: list[MediaInfo] = []
    create = services.videos.create

    def record(fid: str, info: MediaInfo) -> MediaWriter:
        known.append(info)
        return create(fid, info)

    monkeypatch.setattr(services.videos, "create", record)
    typed = f"\r\nContent-Type: {sent}".encode() if sent else b""
    head = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"' + typed + b"\r\n\r\n"
    job_id = (
        function("upload")
        .post(
            "/",
            data=head + MP4 + b"\r\n--x--\r\n" if as_form else MP4,
            content_type="multipart/form-data; boundary=x" if as_form else sent,
            headers={**bearer(services), "X-Filename": "a.mp4"},
        )
        .json["job_id"]
    )
    assert known == [MediaInfo("ada@example.org", "a.mp4", kept, job_id)]
    job = job_now(services, job_id)
    assert (job.username, job.file_name, job.content_type) == ("ada@example.org", "a.mp4", kept)


@pytest.mark.parametrize("form", [{}, {"comment": "no file"}, {"file": (io.BytesIO(b""), "", "video/mp4")}])
def test_a_form_without_a_file_is_refused(function: Call, services: Services, form: dict[str, object]) -> None:
    response = function("upload").post("/", data=form, headers=bearer(services), content_type="multipart/form-data")
    assert_problem(response, 400)
    assert _traces(services) == []


def test_a_form_with_two_files_is_refused_and_the_first_is_undone(function: Call, services: Services) -> None:
    form = {"a": (io.BytesIO(MP4), "a.mp4"), "b": (io.BytesIO(MP4), "b.mp4")}
    assert_problem(function("upload").post("/", data=form, headers=bearer(services)), 400)
    assert _traces(services) == []


def test_a_body_that_broke_off_before_its_announced_end_is_refused_and_undone(
    function: Call, services: Services
) -> None:
    announced = {"CONTENT_LENGTH": str(len(MP4) + 1), "wsgi.input_terminated": True}  # as gunicorn has it
    body = io.BytesIO(MP4)
    response = function("upload").post("/", input_stream=body, environ_overrides=announced, headers=bearer(services))
    assert_problem(response, 400)
    assert _traces(services) == []


def test_an_upload_at_the_least_rate_is_refreshed_before_it_counts_as_interrupted() -> None:
    assert REFRESH_SECONDS + BLOCK / MIN_BYTES_PER_SECOND < RECEIVE_SECONDS


class SlowBody(io.BytesIO):
    """A large video, between whose blocks something happens."""

    def __init__(self, happen: Callable[[], None]) -> None:
        super().__init__(LARGE)
        self.happen = happen

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            self.happen()
        return super().read(size)


def _receiving(services: Services) -> Job:
    """Return the only job there is."""
    with services.database.read() as connection:
        return job_now(services, str(connection.scalar(sa.select(table.c.id))))


@pytest.mark.parametrize("announced", [True, False])
def test_an_upload_is_not_given_up_as_long_as_its_bytes_arrive(
    function: Call, services: Services, monkeypatch: pytest.MonkeyPatch, announced: bool
) -> None:
    monkeypatch.setattr(reception, "REFRESH_SECONDS", 0)
    monkeypatch.setattr(reception, "RESERVED_AT_ONCE", BLOCK)

    def wait_long() -> None:
        assert services.jobs.interrupted() == []
        age(services, _receiving(services), RECEIVE_SECONDS - 60)

    assert _send(function, services, SlowBody(wait_long), announced=announced).status_code == 202


def test_what_cannot_be_undone_now_is_left_to_cleanup_and_the_refusal_is_the_same(
    function: Call, services: Services
) -> None:
    media = services.settings.soundlift_data / "media"
    away = media.with_name("away")

    def go_away() -> None:
        body.happen = lambda: None
        media.rename(away)
        media.write_text("a file where the store's folder should be")

    body = SlowBody(go_away)
    response = function("upload").post(
        "/",
        input_stream=body,
        environ_overrides={"CONTENT_LENGTH": str(len(LARGE) + 1), "wsgi.input_terminated": True},
        headers=bearer(services),
    )
    assert_problem(response, 400)
    media.unlink()
    away.rename(media)
    assert len(_traces(services)) == 2
    assert function("cleanup").post("/").json["orphans"] == 1
    assert _traces(services) == []


@pytest.mark.parametrize("noticed_by", ["refresh", "reservation", "commit"])
@pytest.mark.parametrize("disposed", [True, False])
def test_an_upload_that_was_given_up_meanwhile_is_503_and_leaves_nothing(
    function: Call, services: Services, monkeypatch: pytest.MonkeyPatch, disposed: bool, noticed_by: str
) -> None:
    if noticed_by == "refresh":
        monkeypatch.setattr(reception, "REFRESH_SECONDS", 0)

    def give_up() -> None:
        body.happen = lambda: None
        job = _receiving(services)
        age(services, job, RECEIVE_SECONDS + 1)
        assert services.jobs.abandon(job)
        if disposed:
            assert dispose(job_now(services, job.id), services)

    body = SlowBody(give_up)
    assert_problem(_send(function, services, body, announced=noticed_by != "reservation"), 503)
    assert (body.tell() == len(LARGE)) == (noticed_by == "commit")
    if not disposed:
        assert function("cleanup").post("/").json["orphans"] == 1
    assert _traces(services) == []
    assert services.broker.receive(["video"], timeout=0) is None


def test_an_empty_file_is_refused(function: Call, services: Services) -> None:
    assert_problem(function("upload").post("/", data=b"", headers=bearer(services)), 400)
    form = {"file": (io.BytesIO(b""), "a.mp4")}
    assert_problem(function("upload").post("/", data=form, headers=bearer(services)), 400)
    assert _traces(services) == []


@pytest.mark.parametrize("content_type", [f"multipart/form-data{end}" for end in ("", '; boundary=""', "; boundary=x")])
def test_a_broken_form_is_refused(function: Call, services: Services, content_type: str) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n' + MP4
    response = function("upload").post("/", data=body, content_type=content_type, headers=bearer(services))
    assert_problem(response, 400)
    assert _traces(services) == []


def test_a_form_whose_boundary_is_nothing_is_refused(function: Call, services: Services) -> None:
    body = b'--\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n' + MP4 + b"\r\n----\r\n"
    form_type = 'multipart/form-data; boundary=""'
    response = function("upload").post("/", data=body, content_type=form_type, headers=bearer(services))
    assert_problem(response, 400)
    assert _traces(services) == []


def test_nobody_uploads_without_a_token(function: Call, services: Services) -> None:
    assert_problem(function("upload").post("/", data=MP4), 401, "Not Authorized")
    assert _traces(services) == []


def test_a_body_announced_too_large_is_refused_before_it_is_read(function: Call, services: Services) -> None:
    services.settings = replace(services.settings, max_upload_bytes=1000)
    body = io.BytesIO(MP4)
    announced = {"CONTENT_LENGTH": str(10 * 2**20)}
    response = function("upload").post("/", input_stream=body, environ_overrides=announced, headers=bearer(services))
    assert_problem(response, 413)
    assert body.tell() == 0


@pytest.mark.parametrize("more", [0, 1])
def test_a_form_may_have_a_megabyte_more_than_its_file(function: Call, services: Services, more: int) -> None:
    services.settings = replace(services.settings, max_upload_bytes=len(MP4))
    form = b'\r\n--x\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n' + MP4 + b"\r\n--x--\r\n"
    body = io.BytesIO(b"preamble".ljust(2**20 + len(MP4) + more - len(form)) + form)
    kind = "multipart/form-data; boundary=x"
    response = function("upload").post("/", input_stream=body, content_type=kind, headers=bearer(services))
    if more:
        assert_problem(response, 413)
        assert body.tell() == 0
    else:
        assert response.status_code == 202, response.text


def test_a_body_that_turns_out_too_large_is_refused_and_undone(function: Call, services: Services) -> None:
    services.settings = replace(services.settings, max_upload_bytes=100_000)
    form = {"file": (io.BytesIO(MP4 + bytes(200_000)), "a.mp4")}
    assert_problem(function("upload").post("/", data=form, headers=bearer(services)), 413)
    assert_problem(function("upload").post("/", data=MP4 + bytes(200_000), headers=bearer(services)), 413)
    assert _traces(services) == []


def _send(
    function: Call, services: Services, content: bytes | io.BytesIO, *, as_form: bool = False, announced: bool = True
) -> TestResponse:
    """Upload a file, with its length announced or, as in a chunked body, not."""
    if as_form:
        head = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n'
        content = head + content + b"\r\n--x--\r\n"
    return function("upload").post(
        "/",
        input_stream=io.BytesIO(content) if isinstance(content, bytes) else content,
        content_type="multipart/form-data; boundary=x" if as_form else "video/mp4",
        environ_overrides={} if announced else {"CONTENT_LENGTH": "", "wsgi.input_terminated": True},
        headers=bearer(services),
    )


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("as_form", [False, True])
@pytest.mark.parametrize("limit", ["max_upload_bytes", "max_stored_bytes"])
def test_a_file_may_have_as_many_bytes_as_the_limit_says_and_not_one_more(
    function: Call, services: Services, limit: str, as_form: bool, announced: bool
) -> None:
    services.settings = replace(services.settings, **{limit: len(LARGE)})
    refused = _send(function, services, LARGE + b"1", as_form=as_form, announced=announced)
    assert_problem(refused, 413, code="too_large")
    assert f"at most {len(LARGE)} bytes" in refused.json["detail"]
    assert _traces(services) == []
    taken = _send(function, services, LARGE, as_form=as_form, announced=announced)
    assert taken.status_code == 202, taken.text
    assert taken.json["video_bytes"] == len(LARGE)
    assert _stored(services, taken.json["video_fid"]) == LARGE


@pytest.mark.parametrize("content", [b"#!/bin/sh\nrm -rf /\n", b"<html>" * 1000, b"#EXTM3U\nhttp://x/\n", bytes(5000)])
def test_a_file_of_no_known_format_is_refused_without_a_trace(
    function: Call, services: Services, content: bytes
) -> None:
    response = function("upload").post("/", data=content, headers={**bearer(services), "X-Filename": "a.mp4"})
    assert_problem(response, 415)
    assert _traces(services) == []


def test_the_log_names_the_job_of_an_upload(function: Call, services: Services) -> None:
    with capture_logs([merge_contextvars]) as logs:
        job_id = function("upload").post("/", data=MP4, headers=bearer(services)).json["job_id"]
    assert [line["job_id"] for line in logs if line["event"] == "request"] == [job_id]


class AwayBroker:
    """Is a broker that confirms nothing."""

    def publish(self, event: CloudEvent) -> None:
        raise BrokerUnavailable("The broker is away.")


def test_an_event_that_cannot_be_published_is_due_at_once_and_the_upload_is_accepted(
    function: Call, services: Services
) -> None:
    services.publisher = AwayBroker()
    response = function("upload").post("/", data=MP4, headers=bearer(services))
    assert response.status_code == 202
    assert [job.id for job in services.jobs.due()] == [response.json["job_id"]]


def test_an_upload_whose_event_can_be_neither_published_nor_put_forward_is_accepted(
    function: Call, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.publisher = AwayBroker()

    def fail(job: Job) -> bool:
        raise DatabaseUnavailable("The database is away.")

    monkeypatch.setattr(services.jobs, "send_soon", fail)
    response = function("upload").post("/", data=MP4, headers=bearer(services))
    assert response.status_code == 202
    assert job_now(services, response.json["job_id"]).state == "queued"


def test_a_store_that_is_away_is_503_and_nothing_is_promised(function: Call, services: Services) -> None:
    (services.settings.soundlift_data / "media").write_text("a file where the folder should be")
    assert_problem(function("upload").post("/", data=MP4, headers=bearer(services)), 503)
    assert services.jobs.page(None) == []
    assert services.jobs.due() == []


def test_a_database_that_is_away_is_503_and_nothing_is_stored(function: Call, services: Services) -> None:
    headers = bearer(services)
    with services.database.write() as connection:
        connection.execute(sa.text("ALTER TABLE job RENAME TO gone"))
    assert_problem(function("upload").post("/", data=MP4, headers=headers), 503)
    assert list((services.settings.soundlift_data / "media").rglob("*.*")) == []


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


def test_bytes_reach_the_store_while_they_arrive_and_a_client_that_hangs_up_leaves_nothing(
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
    wait_for(lambda: not _traces(services), "the half upload is undone")


def test_the_queue_s_file_is_not_needed_before_the_first_event(services: Services, tmp_path: Path) -> None:
    broker = SqliteBroker(tmp_path / "no" / "such" / "folder" / "queue.db", {})
    with pytest.raises(BrokerUnavailable):
        broker.check()
