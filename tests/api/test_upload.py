"""upload: one file in, a job out, even if other services are unavailable."""

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
from tests.api.uploads import NAME, stored, traces
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
    assert stored(services, job.video_fid) == MP4


def test_an_upload_sends_its_event_with_the_trace_of_its_request(function: Call, services: Services) -> None:
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
        ("video/" + "x" * 200, "video/" + "x" * 94),
        (None, "application/octet-stream"),
    ],
)
@pytest.mark.parametrize("as_form", [False, True])
def test_row_and_store_keep_a_video_s_owner_and_content_type(
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


def test_nobody_uploads_without_a_token(function: Call, services: Services) -> None:
    assert_problem(function("upload").post("/", data=MP4), 401, "Not Authorized")
    assert traces(services) == []


@pytest.mark.parametrize("content", [b"#!/bin/sh\nrm -rf /\n", b"<html>" * 1000, b"#EXTM3U\nhttp://x/\n", bytes(5000)])
def test_a_file_of_no_known_format_is_refused_without_a_trace(
    function: Call, services: Services, content: bytes
) -> None:
    response = function("upload").post("/", data=content, headers={**bearer(services), "X-Filename": "a.mp4"})
    assert_problem(response, 415)
    assert traces(services) == []


def test_the_log_names_the_job_of_an_upload(function: Call, services: Services) -> None:
    with capture_logs([merge_contextvars]) as logs:
        job_id = function("upload").post("/", data=MP4, headers=bearer(services)).json["job_id"]
    assert [line["job_id"] for line in logs if line["event"] == "request"] == [job_id]


class AwayBroker:
    """A broker that cannot be reached."""

    def publish(self, event: CloudEvent) -> None:
        raise BrokerUnavailable("The broker is away.")


def test_an_upload_is_accepted_if_its_event_cannot_be_published_and_it_is_due_at_once(
    function: Call, services: Services
) -> None:
    services.publisher = AwayBroker()
    response = function("upload").post("/", data=MP4, headers=bearer(services))
    assert response.status_code == 202
    assert [job.id for job in services.jobs.due()] == [response.json["job_id"]]


def test_an_upload_is_accepted_if_its_event_can_be_neither_published_nor_made_due(
    function: Call, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.publisher = AwayBroker()

    def fail(job: Job) -> bool:
        raise DatabaseUnavailable("The database is away.")

    monkeypatch.setattr(services.jobs, "send_soon", fail)
    response = function("upload").post("/", data=MP4, headers=bearer(services))
    assert response.status_code == 202
    assert job_now(services, response.json["job_id"]).state == "queued"


def test_an_upload_without_the_store_is_503_and_has_no_job(function: Call, services: Services) -> None:
    (services.settings.soundlift_data / "media").write_text("a file where the folder should be")
    assert_problem(function("upload").post("/", data=MP4, headers=bearer(services)), 503)
    assert services.jobs.page(None) == []
    assert services.jobs.due() == []


def test_an_upload_without_the_database_is_503_and_nothing_is_stored(function: Call, services: Services) -> None:
    headers = bearer(services)
    with services.database.write() as connection:
        connection.execute(sa.text("ALTER TABLE job RENAME TO gone"))
    assert_problem(function("upload").post("/", data=MP4, headers=headers), 503)
    assert list((services.settings.soundlift_data / "media").rglob("*.*")) == []


def test_the_queue_s_file_is_not_needed_before_the_first_event(services: Services, tmp_path: Path) -> None:
    broker = SqliteBroker(tmp_path / "no" / "such" / "folder" / "queue.db", {})
    with pytest.raises(BrokerUnavailable):
        broker.check()
