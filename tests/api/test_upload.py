"""upload: a file becomes a queued job, even if other services are unavailable."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import sqlalchemy as sa
from cloudevents.core.v1.event import CloudEvent
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from soundlift.common.broker.sqlite import SqliteBroker
from soundlift.common.errors import BrokerUnavailable, DatabaseUnavailable
from soundlift.common.events import VIDEO_UPLOADED, from_message, job_id_from, traceparent_from
from soundlift.common.jobs.model import Job
from soundlift.common.media import MediaInfo, MediaWriter
from soundlift.common.services import Services
from tests.api.uploads import NAME, read_stored, traces
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, job_now
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("field", ["file", "video", "anything"])
def test_a_form_with_one_file_in_any_field_becomes_a_queued_job(function: Call, services: Services, field: str) -> None:
    form = {field: (io.BytesIO(MP4), NAME, "video/mp4"), "channels": "1"}
    response = function("upload").post("/", data=form, headers=bearer(services))
    assert response.status_code == 202
    answer = response.json
    job = job_now(services, answer["job_id"])
    assert (job.state, job.file_name, job.username, job.video_bytes) == ("queued", NAME, "ada@example.org", len(MP4))
    assert (answer["state"], answer["video_fid"]) == ("queued", job.video_fid)
    assert response.headers["Location"] == answer["links"]["self"] == f"http://127.0.0.1:8080/jobs/{job.id}"
    assert read_stored(services, job.video_fid) == MP4


def test_an_upload_publishes_its_event_with_the_trace_of_its_request(function: Call, services: Services) -> None:
    headers = {**bearer(services), "traceparent": TRACE}
    job_id = function("upload").post("/", data=MP4, headers=headers).json["job_id"]
    delivery = services.broker.receive(["video"], timeout=1)
    assert delivery is not None
    event = from_message(delivery.message)
    assert (event.get_type(), event.get_id(), job_id_from(event)) == (VIDEO_UPLOADED, f"{job_id}.uploaded", job_id)
    assert traceparent_from(event) == TRACE
    assert set(event.get_data()) == {"job_id", "video_fid", "mp3_fid", "username"}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("video/quicktime", "video/quicktime"),
        ("Video/MP4; codecs=avc1", "video/mp4"),
        ("video/" + "x" * 200, "application/octet-stream"),
        ("vid\u202eeo/mp4", "application/octet-stream"),
        (None, "application/octet-stream"),
    ],
)
@pytest.mark.parametrize("as_form", [False, True])
def test_owner_and_content_type_are_kept_in_the_row_and_in_the_store(
    function: Call,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    as_form: bool,
    sent: str | None,
    kept: str,
) -> None:
    infos: list[MediaInfo] = []
    create = services.videos.create

    def record(fid: str, info: MediaInfo) -> MediaWriter:
        infos.append(info)
        return create(fid, info)

    monkeypatch.setattr(services.videos, "create", record)
    type_header = f"\r\nContent-Type: {sent}".encode() if sent else b""
    head = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"' + type_header + b"\r\n\r\n"
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
    assert infos == [MediaInfo("ada@example.org", "a.mp4", kept, job_id)]
    job = job_now(services, job_id)
    assert (job.username, job.file_name, job.content_type) == ("ada@example.org", "a.mp4", kept)


def test_an_upload_needs_a_token(function: Call, services: Services) -> None:
    assert_problem(function("upload").post("/", data=MP4), 401, "Not Authorized")
    assert traces(services) == []


@pytest.mark.parametrize("content", [b"#!/bin/sh\nrm -rf /\n", b"<html>" * 1000, b"#EXTM3U\nhttp://x/\n", bytes(5000)])
def test_a_file_of_an_unknown_format_is_rejected_and_leaves_no_trace(
    function: Call, services: Services, content: bytes
) -> None:
    response = function("upload").post("/", data=content, headers={**bearer(services), "X-Filename": "a.mp4"})
    assert_problem(response, 415)
    assert traces(services) == []


def test_the_log_line_of_an_upload_has_its_job_id(function: Call, services: Services) -> None:
    with capture_logs([merge_contextvars]) as logs:
        job_id = function("upload").post("/", data=MP4, headers=bearer(services)).json["job_id"]
    assert [line["job_id"] for line in logs if line["event"] == "request"] == [job_id]


class UnavailableBroker:
    """A broker that cannot be reached."""

    def publish(self, event: CloudEvent) -> None:
        raise BrokerUnavailable("The broker is unavailable.")


def test_an_upload_whose_event_cannot_be_published_is_accepted_and_due(function: Call, services: Services) -> None:
    services.publisher = UnavailableBroker()
    response = function("upload").post("/", data=MP4, headers=bearer(services))
    assert response.status_code == 202
    assert [job.id for job in services.jobs.due()] == [response.json["job_id"]]


def test_an_upload_that_cannot_even_be_made_due_is_accepted(
    function: Call, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.publisher = UnavailableBroker()

    def fail(job: Job) -> bool:
        raise DatabaseUnavailable("The database is unavailable.")

    monkeypatch.setattr(services.jobs, "send_soon", fail)
    response = function("upload").post("/", data=MP4, headers=bearer(services))
    assert response.status_code == 202
    assert job_now(services, response.json["job_id"]).state == "queued"


def test_an_upload_without_the_media_store_is_answered_503_without_a_job(function: Call, services: Services) -> None:
    (services.settings.soundlift_data / "media").write_text("a file in place of the folder")
    assert_problem(function("upload").post("/", data=MP4, headers=bearer(services)), 503)
    assert services.jobs.page(None) == []
    assert services.jobs.due() == []


def test_an_upload_without_the_database_is_answered_503_without_a_file(function: Call, services: Services) -> None:
    headers = bearer(services)
    with services.database.write() as connection:
        connection.execute(sa.text("ALTER TABLE job RENAME TO gone"))
    assert_problem(function("upload").post("/", data=MP4, headers=headers), 503)
    assert list((services.settings.soundlift_data / "media").rglob("*.*")) == []


def test_the_queue_s_file_is_opened_only_for_the_first_event(services: Services, tmp_path: Path) -> None:
    broker = SqliteBroker(tmp_path / "no" / "such" / "folder" / "queue.db", {})
    with pytest.raises(BrokerUnavailable):
        broker.check()
