"""jobs: another conversion of a job that failed or was cancelled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soundlift.common.events import VIDEO_UPLOADED, from_message, job_id_from
from soundlift.common.jobs.model import State
from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.jobs import age, claimed_job, claimed_mail, failed_job, job_now, queued_job, ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call
from tests.jobs.steps import cancelled_job


def test_a_retry_queues_the_job_and_publishes_its_event(function: Call, services: Services) -> None:
    for job in (failed_job(services), cancelled_job(services)):
        answer = function("jobs").post(f"/{job.id}/retry", headers=bearer(services))
        assert answer.status_code == 202
        assert (answer.json["job_id"], answer.json["state"]) == (job.id, "queued")
        assert (answer.json["error"], answer.json["ended_at"], answer.json["notifications"]) == (None, None, [])
        delivery = services.broker.receive(["video"], timeout=5)
        assert delivery is not None
        event = from_message(delivery.message)
        assert (event.get_type(), event.get_id(), job_id_from(event)) == (
            VIDEO_UPLOADED,
            f"{job.id}.1.uploaded",
            job.id,
        )


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", ""])
def test_a_retry_without_a_broker_is_accepted_and_due(function: Call, services: Services, url: str) -> None:
    services.settings = replace(services.settings, broker_url=url)
    job = failed_job(services)
    assert function("jobs").post(f"/{job.id}/retry", headers=bearer(services)).status_code == 202
    assert [due.id for due in services.jobs.due()] == [job.id]


def test_a_job_that_has_not_failed_cannot_be_retried(function: Call, services: Services) -> None:
    for job in (queued_job(services), claimed_job(services)[0], ready_job(services)):
        answer = function("jobs").post(f"/{job.id}/retry", headers=bearer(services))
        assert_problem(answer, 409, code="not_retryable")
        assert f"is {job.state}" in answer.json["detail"]


def test_a_second_retry_of_the_same_outcome_is_refused(function: Call, services: Services) -> None:
    job, client = failed_job(services), function("jobs")
    assert client.post(f"/{job.id}/retry", headers=bearer(services)).status_code == 202
    assert_problem(client.post(f"/{job.id}/retry", headers=bearer(services)), 409)
    assert job_now(services, job.id).retries == 1


def test_a_job_whose_video_has_expired_cannot_be_retried(function: Call, services: Services) -> None:
    job = failed_job(services)
    services.notifications.mark_delivered(claimed_mail(services, job))
    age(services, job, services.settings.retention_seconds + 1)
    function("cleanup").post("/")
    assert job_now(services, job.id).state == State.EXPIRED
    assert_problem(function("jobs").post(f"/{job.id}/retry", headers=bearer(services)), 410, code="expired")


def test_only_the_owner_or_an_admin_may_retry_a_job_and_it_counts_for_the_owner(
    function: Call, services: Services
) -> None:
    services.settings = replace(services.settings, max_jobs_in_flight=1)
    job, client = failed_job(services), function("jobs")
    assert_problem(client.post(f"/{job.id}/retry"), 401)
    assert_problem(client.post(f"/{job.id}/retry", headers=bearer(services, "bob@example.org")), 404)
    assert_problem(client.post(f"/{'f' * 24}/retry", headers=bearer(services)), 404)
    other, root = queued_job(services), bearer(services, "root@example.org", admin=True)
    refused = client.post(f"/{job.id}/retry", headers=root)
    assert_problem(refused, 429, code="too_many_jobs")
    assert int(refused.headers["Retry-After"]) > 0
    services.jobs.cancel(other.id)
    assert client.post(f"/{job.id}/retry", headers=root).status_code == 202


def test_a_deleted_job_cannot_be_retried(function: Call, services: Services) -> None:
    job = failed_job(services)
    services.jobs.delete(job.id)
    assert_problem(function("jobs").post(f"/{job.id}/retry", headers=bearer(services)), 404)


def test_a_job_whose_video_this_server_has_lost_cannot_be_retried(function: Call, services: Services) -> None:
    job = queued_job(services)
    assert services.jobs.fail_without_video(job)
    answer = function("jobs").post(f"/{job.id}/retry", headers=bearer(services))
    assert_problem(answer, 410, code="expired")
    assert job_now(services, job.id).state == State.FAILED
