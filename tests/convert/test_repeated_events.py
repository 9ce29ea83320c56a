"""Repeated, late or forged events create one MP3, and are answered from the job's row."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from cloudevents.core.v1.event import CloudEvent

from functions.convert.handler import app, convert
from soundlift.common.errors import Busy
from soundlift.common.events import (
    CONVERSION_FAILED,
    MP3_READY,
    VIDEO_UPLOADED,
    event_for,
    from_http,
    job_id_from,
    to_http,
)
from soundlift.common.jobs.model import CLAIM_SECONDS, Job, State
from soundlift.common.services import Services
from tests.convert.outcome import assert_one_mp3, stored_mp3s
from tests.factories.jobs import age, job_now, queued_job
from tests.factories.problems import assert_problem
from tests.factories.stores import blocked_store, broken_store


def test_a_repeated_event_is_answered_without_converting_again(services: Services, job: Job) -> None:
    event = event_for(job)
    first, second = convert(event, services), convert(event, services)
    assert first is not None
    assert second is not None
    assert first.get_attributes() == second.get_attributes()
    assert (first.get_type(), job_id_from(first)) == (MP3_READY, job.id)
    assert_one_mp3(services, job)
    assert job_now(services, job.id).attempts == 1


def test_two_workers_with_one_event_make_one_mp3(services: Services, job: Job) -> None:
    rivals = [Services(replace(services.settings, convert_concurrency=8)) for _ in range(3)]

    def reply_of(rival: Services) -> CloudEvent | None:
        with suppress(Busy):  # another worker has the job
            return convert(event_for(job), rival)
        return None

    with ThreadPoolExecutor() as pool:
        replies = list(pool.map(reply_of, rivals))
    assert len([reply for reply in replies if reply]) >= 1
    assert_one_mp3(services, job)
    assert job_now(services, job.id).attempts == 1
    for rival in rivals:
        rival.database.engine.dispose()


def test_an_event_while_another_worker_converts_is_retried(
    services: Services, job: Job, convert_in_background: Callable[..., Future[CloudEvent | None]]
) -> None:
    other = Services(services.settings)
    other.videos, waiting, release = blocked_store(services.videos, beyond=0)
    conversion = convert_in_background(event_for(job), other)
    try:
        assert waiting.wait(30)
        with pytest.raises(Busy) as caught:
            convert(event_for(job), services)
        assert caught.value.retry_after > 0
    finally:
        release.set()
    reply = conversion.result()
    assert reply is not None
    again = convert(event_for(job), services)
    assert again is not None
    assert (again.get_type(), again.get_id()) == (reply.get_type(), reply.get_id())
    other.database.engine.dispose()


def test_forged_events_do_no_harm(services: Services, job: Job, video: bytes) -> None:
    other = queued_job(services, video, email="bob@example.org")
    cancelled = queued_job(services, video)
    services.jobs.cancel(cancelled.id)

    def forged(job_id: str) -> CloudEvent:
        data = {"job_id": job_id, "video_fid": other.video_fid, "mp3_fid": "f" * 24, "username": "eve@example.org"}
        return CloudEvent({"type": VIDEO_UPLOADED, "source": "/forged", "id": "1", "specversion": "1.0"}, data)

    assert convert(forged("f" * 24), services) is not None
    assert_one_mp3(services, job)
    assert job_now(services, job.id).username == "ada@example.org"
    assert job_now(services, other.id).state == State.QUEUED
    assert convert(forged(cancelled.id), services) is not None
    assert convert(forged(cancelled.id), services) is None
    assert job_now(services, cancelled.id).state == State.CANCELLED
    assert {path.name for path in stored_mp3s(services)} == {job_now(services, one.id).mp3_fid for one in (job, other)}


def test_a_job_fails_after_three_expired_claims(services: Services, job: Job) -> None:
    for _ in range(3):
        assert services.jobs.claim(job_now(services, job.id)) is not None
        age(services, job, CLAIM_SECONDS + 1)
    reply = convert(event_for(job), services)
    assert reply is not None
    assert reply.get_type() == CONVERSION_FAILED
    assert job_now(services, job.id).error_code == "gave_up"


def test_over_http_a_reply_is_an_event_and_unavailable_is_503(services: Services, job: Job) -> None:
    app.services = services
    client = app.test_client()
    headers, body = to_http(event_for(job))
    videos = services.videos
    services.videos = broken_store(videos, beyond=0)
    assert_problem(client.post("/", data=body, headers=headers), 503)
    services.videos = videos
    response = client.post("/", data=body, headers=headers)
    assert response.status_code == 200
    assert from_http(dict(response.headers), response.data).get_type() == MP3_READY
    services.jobs.delete(job.id)
    assert client.post("/", data=body, headers=headers).status_code == 204
    assert_problem(client.post("/", data=b"{}", headers={"Content-Type": "application/json"}), 400)


def test_over_http_an_unexpected_error_is_503(services: Services, job: Job) -> None:
    class FailingStore:
        def open(self, fid: str) -> None:
            raise RuntimeError("a bug")

    app.services = services
    services.videos = FailingStore()
    headers, body = to_http(event_for(job))
    response = app.test_client().post("/", data=body, headers=headers)
    assert_problem(response, 503)
    assert "a bug" not in response.text
