"""Another conversion of a job that failed or was cancelled: what is reset, what counts, and who is notified."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from functions.notify.message import compose_for_job
from soundlift.common.errors import MediaNotFound, TooManyJobs
from soundlift.common.events import event_for
from soundlift.common.jobs.disposal import delete_abandoned_output
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import CLAIM_SECONDS, GIVE_UP_SECONDS, MAX_ATTEMPTS, Job, State
from soundlift.common.notifications.model import Channel
from soundlift.common.services import Services
from tests.factories.jobs import MP3_SOUND, age, claimed_job, claimed_mail, failed_job, job_now, queued_job, ready_job
from tests.factories.media import store
from tests.jobs.steps import NO_LIMITS, cancelled_job, notification_rows, row_of


def retried(services: Services, job: Job) -> Job:
    again = services.jobs.retry(job, NO_LIMITS)
    assert again is not None
    return again


def fail(services: Services, job: Job, message: str = "again") -> Job:
    claim = services.jobs.claim(job)
    assert claim is not None
    assert services.jobs.mark_failed(claim, code="no_audio", message=message)
    return job_now(services, job.id)


def given_up_job(services: Services) -> Job:
    job = queued_job(services)
    for _ in range(MAX_ATTEMPTS):
        assert services.jobs.claim(job_now(services, job.id))
        age(services, job, CLAIM_SECONDS + 1)
    assert services.jobs.give_up(job_now(services, job.id))
    return job_now(services, job.id)


@pytest.mark.parametrize("make", [failed_job, cancelled_job, given_up_job])
def test_a_retried_job_starts_from_the_beginning_with_the_same_video(
    services: Services, make: Callable[[Services], Job]
) -> None:
    job = make(services)
    again = retried(services, job)
    assert again == job_now(services, job.id)
    assert (again.state, again.percent, again.attempts, again.resend_count) == (State.QUEUED, 0, 0, 0)
    assert (again.error_code, again.error, again.last_cause, again.ended_at) == (None, None, None, None)
    assert (again.video_fid, again.options, again.created_at) == (job.video_fid, job.options, job.created_at)
    assert again.retries == 1
    assert notification_rows(services, job) == []
    claim = services.jobs.claim(again)
    assert claim is not None
    assert services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=1.0)
    assert len(notification_rows(services, job)) == 1


def test_the_event_of_a_retried_job_is_resent_if_it_is_lost(services: Services) -> None:
    job = retried(services, failed_job(services))
    assert services.jobs.due() == []
    age(services, job, 601, "resend_at")
    assert [due.id for due in services.jobs.due()] == [job.id]


def test_a_retried_job_is_given_up_a_day_after_the_retry(services: Services) -> None:
    job = failed_job(services)
    age(services, job, 3 * GIVE_UP_SECONDS)
    again = retried(services, job)
    assert not services.jobs.give_up(again)
    assert services.jobs.claim(again)
    age(services, job, GIVE_UP_SECONDS + 1, "retried_at", "claimed_until")
    assert services.jobs.give_up(job_now(services, job.id))


def test_a_retry_replaces_a_pending_notification_and_leaves_no_claim_on_it(services: Services) -> None:
    job = failed_job(services)
    earlier = claimed_mail(services, job)
    assert services.notifications.holds(earlier)
    again = fail(services, retried(services, job))
    assert not services.notifications.holds(earlier)
    assert not services.notifications.mark_delivered(earlier)
    assert services.notifications.is_pending(job.id, Channel.MAIL)
    assert services.notifications.mark_delivered(claimed_mail(services, again))


def test_the_event_and_the_mail_of_each_outcome_have_their_own_ids(services: Services) -> None:
    first = failed_job(services)
    second = fail(services, retried(services, first))
    third = fail(services, retried(services, second))
    outcomes = [first, second, third]
    assert len({compose_for_job(job, services)["Message-ID"] for job in outcomes}) == 3
    assert len({event_for(job).get_id() for job in outcomes}) == 3
    assert compose_for_job(second, services)["Message-ID"] == compose_for_job(second, services)["Message-ID"]


def test_a_retry_needs_a_place_among_the_jobs_in_progress_of_the_owner(services: Services) -> None:
    job, limits = failed_job(services), Limits(jobs=2, stored_bytes=1, retention=60)
    others = [queued_job(services) for _ in range(2)]
    queued_job(services, email="bob@example.org")
    before = row_of(services, job)
    with pytest.raises(TooManyJobs, match="at most 2 jobs"):
        services.jobs.retry(job, limits)
    assert row_of(services, job) == before
    assert len(notification_rows(services, job)) == 1
    assert services.jobs.cancel(others[0].id)
    assert services.jobs.retry(job, limits)


@pytest.mark.parametrize("make", [ready_job, queued_job, lambda services: claimed_job(services)[0]])
def test_a_job_that_has_not_failed_is_not_retried(services: Services, make: Callable[[Services], Job]) -> None:
    job = make(services)
    before = row_of(services, job), notification_rows(services, job)
    assert services.jobs.retry(job, NO_LIMITS) is None
    assert (row_of(services, job), notification_rows(services, job)) == before


def test_the_worker_of_a_cancelled_conversion_cannot_end_the_retry(services: Services) -> None:
    job, claim = claimed_job(services)
    assert services.jobs.cancel(job.id)
    again = retried(services, job)
    assert not services.jobs.renew(claim, percent=50)
    assert not services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=1.0)
    assert not services.jobs.release(claim, cause="x")
    assert job_now(services, job.id) == again


def test_what_a_dead_worker_of_a_cancelled_conversion_left_is_deleted_after_the_retry(services: Services) -> None:
    job, claim = claimed_job(services)
    store(services.mp3s, claim.mp3_fid, b"half")
    assert services.jobs.cancel(job.id)
    delete_abandoned_output(retried(services, job), services)
    with pytest.raises(MediaNotFound):
        services.mp3s.open(claim.mp3_fid)


def test_a_cleanup_that_read_a_job_before_its_retry_neither_gives_it_up_nor_resends_its_earlier_outcome(
    services: Services,
) -> None:
    job = queued_job(services)
    for _ in range(MAX_ATTEMPTS):
        assert services.jobs.claim(job_now(services, job.id))
        age(services, job, CLAIM_SECONDS + 1)
    exhausted = job_now(services, job.id)
    assert services.jobs.give_up(exhausted)
    failed = job_now(services, job.id)
    again = retried(services, failed)
    assert not services.jobs.give_up(exhausted)
    assert not services.notifications.postpone(failed)
    assert not services.notifications.send_soon(failed)
    assert not services.jobs.expire(failed, retention=0)
    assert job_now(services, job.id) == again
