"""Jobs are shown, listed, cancelled and deleted as the server describes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from soundlift.client import ApiError, Client, Cut, Job
from soundlift.common.jobs.model import AudioDescription
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services
from tests.client.servers import Deployment
from tests.factories.jobs import failed_job, notified_job, queued_job, ready_job, receiving_job

COPY = AudioDescription(
    format="m4a", codec="aac", bitrate=128, sample_rate=44_100, channels=2, copied=True, cut_start=60.02, cut_end=120.5
)


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


def test_a_job_describes_its_audio_file_once_there_is_one(client: Client, services: Services) -> None:
    described = ("format", "codec", "bitrate", "sample_rate", "channels", "copied", "cut", "output_name")
    ready = client.job(ready_job(services, audio=COPY).id)
    assert [getattr(ready, name) for name in described] == [
        *("m4a", "aac", 128, 44_100, 2, True, Cut(start=60.02, end=120.5), "a.m4a")
    ]
    queued = client.job(queued_job(services, options=AudioOptions(format="original")).id)
    assert [getattr(queued, name) for name in described] == ["original", *[None] * 6, "a"]


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
    first, again, second = [dict(request.args) for request in deployment.requests]
    assert (first, again, second["limit"]) == ({}, {}, "50")
    assert second["after"].startswith(newest_first[49])


def test_a_job_is_cancelled_and_then_deleted(client: Client, services: Services) -> None:
    row = queued_job(services)
    cancelled = client.cancel(row.id)
    assert (cancelled.id, cancelled.state) == (row.id, "cancelled")
    client.delete(cancelled)
    assert list(client.jobs()) == []
