"""When a job expires, when its files are deleted, and when its row is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from soundlift.common.jobs import deletions, queries
from soundlift.common.jobs.model import Job
from soundlift.common.services import Services
from tests.factories.jobs import age, claimed_job, notified_job, queued_job, ready_job, receiving_job
from tests.jobs.steps import STEPS, cancelled_job, deleted_job, expired_job, notification_rows


def _refused_job(services: Services) -> Job:
    job = ready_job(services)
    assert STEPS["give_up_mail"](services, job)
    return job


def test_only_cancelled_jobs_and_outcomes_without_pending_notification_expire(services: Services) -> None:
    makers = (notified_job, _refused_job, cancelled_job, ready_job, queued_job)
    notified, refused, cancelled, *others = [make(services) for make in makers]
    for job in (notified, refused, cancelled, *others):
        age(services, job, 3600)
    expected = {notified.id, refused.id, cancelled.id}
    assert {job.id for job in services.jobs.past_retention(retention=60)} == expected
    assert not any(services.jobs.expire(job, retention=60) for job in others)


@pytest.mark.parametrize("end", ["ready", "failed", "cancel"])
def test_retention_counts_from_the_end_of_a_job_and_not_from_upload_or_notification(
    services: Services, end: str
) -> None:
    job, _ = claimed_job(services)
    age(services, job, 3600, "created_at", "changed_at")
    assert STEPS[end](services, job)
    if end != "cancel":
        assert STEPS["mark_delivered"](services, job)
        age(services, job, 3600, "delivered_at")
    assert services.jobs.past_retention(retention=60) == []
    assert not services.jobs.expire(job, retention=60)
    age(services, job, 61, "changed_at")
    assert [one.id for one in services.jobs.past_retention(retention=60)] == [job.id]
    assert services.jobs.expire(job, retention=60)


def test_the_row_of_an_expired_job_is_kept_for_its_own_retention(services: Services) -> None:
    job = expired_job(services)
    assert services.jobs.mark_disposed(job)
    age(services, job, 3600, "created_at", "delivered_at")
    assert services.jobs.delete_old_rows(retention=60) == 0
    assert len(notification_rows(services, job)) == 1
    age(services, job, 61, "changed_at")
    assert services.jobs.delete_old_rows(retention=60) == 1
    assert services.jobs.find(job.id) is None
    assert notification_rows(services, job) == []


def test_the_row_of_an_expired_job_is_kept_until_its_files_are_deleted(services: Services) -> None:
    job = expired_job(services)
    age(services, job, 100_000)
    assert services.jobs.delete_old_rows(retention=60) == 0
    assert [one.id for one in services.jobs.to_dispose()] == [job.id]
    assert services.jobs.mark_disposed(job)
    assert services.jobs.delete_old_rows(retention=60) == 1


LISTS: dict[str, tuple[Callable[[Services], Job], Callable[[Services], list[Job]]]] = {
    "due": (queued_job, lambda services: services.jobs.due()),
    "past_retention": (notified_job, lambda services: services.jobs.past_retention(retention=60)),
    "interrupted": (receiving_job, lambda services: services.jobs.interrupted()),
    "to_dispose": (deleted_job, lambda services: services.jobs.to_dispose()),
}


@pytest.mark.parametrize("name", LISTS)
def test_the_work_of_cleanup_is_listed_a_batch_at_a_time(
    services: Services, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make, listed = LISTS[name]
    jobs = [make(services) for _ in range(3)]
    for job in jobs:
        age(services, job, 3600)
    assert {job.id for job in listed(services)} == {job.id for job in jobs}
    monkeypatch.setattr(queries, "BATCH", 2)
    assert len(listed(services)) == 2


def test_rows_are_deleted_a_batch_at_a_time(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        job = expired_job(services)
        assert services.jobs.mark_disposed(job)
        age(services, job, 3600)
    monkeypatch.setattr(deletions, "DELETE_BATCH", 2)
    assert [services.jobs.delete_old_rows(retention=60) for _ in range(3)] == [2, 1, 0]
