"""When the event of a waiting job is sent again, and that only one process sends it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soundlift.common.jobs.model import CLAIM_SECONDS
from soundlift.common.services import Services
from tests.factories.jobs import age, claimed_job, job_now, queued_job
from tests.jobs.steps import STEPS, row_of


@pytest.mark.parametrize("step", ["send_soon", "postpone"])
def test_the_event_of_a_job_that_changed_since_it_was_read_is_not_sent(services: Services, step: str) -> None:
    job, claim = claimed_job(services)
    assert services.jobs.release(claim, cause="the store is away")
    age(services, job, 100_000, "resend_at")
    before = row_of(services, job)
    assert not STEPS[step](services, replace(job, resend_count=job_now(services, job.id).resend_count))
    assert row_of(services, job) == before


def test_a_job_inherits_only_an_earlier_resend(services: Services) -> None:
    jobs = [queued_job(services) for _ in range(2)]
    assert not services.jobs.inherit_resend(jobs[0].id, jobs[1])
    assert services.jobs.inherit_resend(jobs[1].id, jobs[0])
    assert job_now(services, jobs[1].id).resend_at == jobs[0].resend_at
    assert job_now(services, jobs[0].id).resend_at == jobs[0].resend_at


def test_the_event_of_a_released_job_is_sent_after_ten_minutes_and_twice_as_long_each_time(services: Services) -> None:
    job = queued_job(services)
    for minutes in (10, 20, 40):
        claim = services.jobs.claim(job_now(services, job.id))
        assert claim is not None
        assert services.jobs.release(claim, cause="the store is away")
        age(services, job, minutes * 60 - 60, "resend_at")
        assert services.jobs.due() == []
        age(services, job, 120, "resend_at")
        assert [due.id for due in services.jobs.due()] == [job.id]


def test_the_event_of_a_job_that_stays_due_is_sent_after_ten_minutes_doubling_to_six_hours(services: Services) -> None:
    job = queued_job(services)
    age(services, job, 600)
    for minutes in (10, 20, 40, 80, 160, 320, 360, 360):
        assert services.jobs.postpone(job_now(services, job.id))
        age(services, job, minutes * 60 - 5)
        assert services.jobs.due() == []
        age(services, job, 6)
        assert [due.id for due in services.jobs.due()] == [job.id]


def test_only_one_of_two_processes_sends_a_due_event(services: Services) -> None:
    job = queued_job(services)
    assert services.jobs.send_soon(job)
    (due,) = services.jobs.due()
    assert services.jobs.postpone(due)
    assert not services.jobs.postpone(due)


def test_a_process_that_read_a_job_before_its_event_was_sent_does_not_send_it_later(services: Services) -> None:
    job = queued_job(services)
    age(services, job, 601)
    assert services.jobs.postpone(job)
    age(services, job, 100_000, "resend_at")
    assert not services.jobs.postpone(job)
    assert services.jobs.postpone(job_now(services, job.id))


def test_a_converting_job_is_due_as_soon_as_its_claim_has_lapsed(services: Services) -> None:
    job, _ = claimed_job(services)
    assert services.jobs.due() == []
    age(services, job, CLAIM_SECONDS + 1)
    assert [due.id for due in services.jobs.due()] == [job.id]


def test_the_most_overdue_event_is_sent_first(services: Services) -> None:
    jobs = [queued_job(services) for _ in range(3)]
    for job, seconds in zip(jobs, (700, 900, 800), strict=True):
        age(services, job, seconds, "resend_at")
    assert [job.id for job in services.jobs.due()] == [jobs[1].id, jobs[2].id, jobs[0].id]
