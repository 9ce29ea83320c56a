"""Jobs are shown, listed, cancelled and deleted as the server describes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from soundlift.client import ApiError, Client, Job
from soundlift.common.services import Services
from tests.client.servers import Deployment, Reply, WrittenAnswers
from tests.factories.jobs import MP4, failed_job, notified_job, queued_job, ready_job, receiving_job


@pytest.mark.parametrize(
    "make",
    [
        queued_job,
        notified_job,
        lambda services: failed_job(services, "There is no sound in it."),
        lambda services: ready_job(services, missing_seconds=1.5),
    ],
)
def test_a_job_has_the_fields_of_its_row(client: Client, services: Services, make: Callable[[Services], Any]) -> None:
    row = make(services)
    job = client.job(row.id)
    same_names = (
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
    assert {name: getattr(job, name) for name in same_names} == {name: getattr(row, name) for name in same_names}
    assert job.state == str(row.state)
    assert job.created_at == datetime.fromtimestamp(row.created_at, UTC)
    notifications = services.notifications.by_job([row.id])[row.id]
    assert [one.channel for one in job.notifications] == [one.channel for one in notifications]
    for notification, stored in zip(job.notifications, notifications, strict=True):
        assert notification.delivered_at == (
            datetime.fromtimestamp(stored.delivered_at, UTC) if stored.delivered_at else None
        )
        assert notification.error == stored.error
        assert notification.pending == (stored.due_at is not None)
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
def test_a_job_has_ended_in_the_final_states(client: Client, services: Services, state: str, ended: bool) -> None:
    job = replace(client.job(queued_job(services).id), state=state)
    assert (job.ended, job.ready) == (ended, state == "ready")


def test_a_document_without_the_newer_fields_is_accepted() -> None:
    document = {"job_id": "1", "state": "queued", "error": None, "created_at": "2020-01-01T00:00:00Z"}
    job = Job.of(document)
    assert (job.id, job.options, job.missing_seconds, job.notifications) == ("1", {}, None, [])


def test_an_id_is_quoted_in_the_path(client: Client, deployment: Deployment) -> None:
    for call in (client.job, client.delete, client.cancel):
        with pytest.raises(ApiError) as refusal:
            call("../login?a=b#c")
        assert refusal.value.status == 404
    path = "/jobs/../login?a=b#c"
    assert deployment.lines == [f"GET {path}", f"DELETE {path}", f"GET {path}"]


def test_the_jobs_of_all_pages_are_listed_newest_first(
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
    first, second, third = [dict(request.args) for request in deployment.requests]
    assert (first, second) == ({}, {})
    assert third["after"].startswith(newest_first[49])


def test_a_job_is_cancelled_and_then_deleted(client: Client, services: Services) -> None:
    row = queued_job(services)
    cancelled = client.cancel(row.id)
    assert (cancelled.id, cancelled.state) == (row.id, "cancelled")
    client.delete(cancelled)
    assert list(client.jobs()) == []


def test_an_ended_job_is_not_deleted_by_a_cancellation(client: Client, services: Services) -> None:
    row = ready_job(services)
    assert client.cancel(row.id).state == "ready"
    assert client.job(row.id).state == "ready"


def test_a_waiting_job_is_deleted_after_its_cancellation(client: Client, services: Services) -> None:
    client.delete(queued_job(services).id)
    assert list(client.jobs()) == []


def test_jobs_are_searched_by_name_and_state(client: Client, services: Services) -> None:
    queued_job(services, name="Holiday.mp4")
    queued_job(services, name="talk.mp4")
    client.cancel(next(client.jobs(q="TALK")))
    assert [job.file_name for job in client.jobs(q="holi")] == ["Holiday.mp4"]
    assert [job.file_name for job in client.jobs(state="cancelled")] == ["talk.mp4"]
    assert list(client.jobs(q="holi", state="cancelled")) == []


def test_an_older_server_lists_all_jobs_and_the_client_selects(server: WrittenAnswers) -> None:
    names = ("Holiday.mp4", "talk.mp4")
    documents = [
        {"job_id": name, "file_name": name, "state": "ready", "error": None, "created_at": "2020-01-01T00:00:00Z"}
        for name in names
    ]
    server.replies = [Reply(200, json.dumps({"jobs": documents, "links": {}}).encode())]
    client = Client(server.url, token="any")
    assert [job.file_name for job in client.jobs(q="holi")] == ["Holiday.mp4"]
    assert list(client.jobs(state="failed")) == []


def test_a_list_without_an_end_is_not_requested_for_ever(server: WrittenAnswers) -> None:
    server.replies = [Reply(200, b'{"jobs": [], "links": {"next": "http://x/jobs?after=1"}}')]
    assert list(Client(server.url, token="any").jobs()) == []
    assert len(server.requests) == 2


def test_a_cancelled_job_is_converted_again(client: Client, services: Services) -> None:
    job = client.cancel(queued_job(services).id)
    assert client.retry(job).state == "queued"
    with pytest.raises(ApiError) as refusal:
        client.retry(ready_job(services).id)
    assert refusal.value.status == 409


def test_a_link_downloads_without_a_sign_in(client: Client, services: Services) -> None:
    row = ready_job(services)
    link = client.link(row.id)
    assert link.expires_at is not None
    assert link.expires_at > datetime.now(UTC)
    assert f"fid={row.mp3_fid}" in link.url
    assert "jobs=" in client.link([row.id, ready_job(services).id]).url


def test_several_files_are_downloaded_as_one_zip_file(client: Client, services: Services, tmp_path: Path) -> None:
    rows = [ready_job(services, MP4), ready_job(services, MP4[::-1])]
    path = client.download_zip([row.id for row in rows], tmp_path / "a.zip")
    with ZipFile(path) as archive:
        assert sorted(archive.read(name) for name in archive.namelist()) == sorted([MP4, MP4[::-1]])
    with pytest.raises(FileExistsError):
        client.download_zip([row.id for row in rows], tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("file_name", "output_name"),
    [("a.mp4", "a.mp3"), ("a", "a.mp3"), (".mp4", ".mp4.mp3"), ("a.longer", "a.longer.mp3"), ("a.b.mkv", "a.b.mp3")],
)
def test_the_output_has_the_name_of_the_video(
    client: Client, services: Services, file_name: str, output_name: str
) -> None:
    assert client.job(queued_job(services, name=file_name).id).output_name == output_name
