"""The notification of a job that ended: when it is due, claimed, delivered, released, given up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from soundlift.common.jobs.model import GIVE_UP_SECONDS, Job
from soundlift.common.notifications import store as module
from soundlift.common.notifications.model import CLAIM_SECONDS, Channel, NotificationClaim
from soundlift.common.services import Services
from tests.factories.jobs import (
    age,
    claimed_mail,
    failed_job,
    job_now,
    mail_notification,
    notified_job,
    queued_job,
    ready_job,
)
from tests.jobs.steps import STEPS, notification_rows, row_of

MINUTE = 60


def _due(services: Services) -> list[str]:
    return [job.id for job in services.notifications.due()]


def _given_up_job(services: Services) -> Job:
    job = queued_job(services)
    age(services, job, GIVE_UP_SECONDS, "created_at")
    assert services.jobs.give_up(job)
    return job_now(services, job.id)


@pytest.mark.parametrize("make", [ready_job, failed_job, _given_up_job])
def test_the_event_of_a_job_that_ended_is_due_for_the_next_cleanup(
    services: Services, make: Callable[[Services], Job]
) -> None:
    job = make(services)
    assert services.notifications.due() == [job]
    assert services.jobs.due() == []


def test_the_event_of_a_worker_that_died_while_sending_is_due_a_minute_after_its_claim(services: Services) -> None:
    job = ready_job(services)
    claimed_mail(services, job)
    age(services, job, MINUTE - 2, "claimed_until")
    assert _due(services) == []
    age(services, job, 2, "claimed_until")
    assert _due(services) == [job.id]


def test_the_event_of_an_undelivered_notification_is_sent_after_a_minute_doubling_to_six_hours(
    services: Services,
) -> None:
    job, waited, pauses = ready_job(services), 0, []
    for _ in range(12):
        (due,) = services.notifications.due()
        assert services.notifications.postpone(due)
        pauses.append(min(max(waited, MINUTE), 6 * 60 * MINUTE))
        age(services, job, pauses[-1] - 10)
        assert _due(services) == []
        age(services, job, 20)
        assert _due(services) == [job.id]
        waited += pauses[-1] + 10
    assert (pauses[0], pauses[-1]) == (MINUTE, 6 * 60 * MINUTE)


def test_resends_of_the_upload_do_not_delay_the_notification(services: Services) -> None:
    job = queued_job(services)
    for _ in range(4):
        age(services, job, 100_000, "resend_at")
        assert services.jobs.postpone(job_now(services, job.id))
    assert services.jobs.claim(job) is not None
    assert STEPS["ready"](services, job_now(services, job.id))
    assert _due(services) == [job.id]


def test_only_one_of_two_processes_sends_a_due_event(services: Services) -> None:
    job = ready_job(services)
    assert services.notifications.postpone(job)
    assert not services.notifications.postpone(job)
    assert services.notifications.send_soon(job)
    assert _due(services) == [job.id]


def test_the_most_overdue_notification_is_sent_first(services: Services) -> None:
    jobs = [ready_job(services) for _ in range(3)]
    for job, seconds in zip(jobs, (700, 900, 800), strict=True):
        age(services, job, seconds, "due_at")
    assert _due(services) == [jobs[1].id, jobs[2].id, jobs[0].id]


def test_due_notifications_are_listed_a_batch_at_a_time(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [ready_job(services) for _ in range(3)]
    assert set(_due(services)) == {job.id for job in jobs}
    monkeypatch.setattr(module, "BATCH", 2)
    assert len(_due(services)) == 2


@pytest.mark.parametrize("end", ["mark_delivered", "give_up_mail"])
def test_a_delivered_or_given_up_notification_is_never_due_again(services: Services, end: str) -> None:
    pending, over = ready_job(services), ready_job(services)
    assert STEPS[end](services, over)
    for job in (pending, over):
        age(services, job, 100_000)
    assert _due(services) == [pending.id]
    assert services.notifications.is_pending(pending.id, Channel.MAIL)
    assert not services.notifications.is_pending(over.id, Channel.MAIL)
    assert not services.notifications.send_soon(over)
    assert services.notifications.claim(over.id, Channel.MAIL) is None


def test_a_notification_is_claimed_by_one_worker_until_the_claim_lapses(services: Services) -> None:
    job = ready_job(services)
    claimed_mail(services, job)
    assert services.notifications.claim(job.id, Channel.MAIL) is None
    age(services, job, CLAIM_SECONDS + 1)
    second = claimed_mail(services, job)
    assert mail_notification(services, job).attempts == 2
    assert services.notifications.mark_delivered(second)
    assert services.notifications.claim(job.id, Channel.MAIL) is None


def test_only_the_last_claim_ends_a_notification(services: Services) -> None:
    job = ready_job(services)
    first = claimed_mail(services, job)
    age(services, job, CLAIM_SECONDS + 1, "claimed_until")
    claimed_mail(services, job)
    before = notification_rows(services, job)
    assert not services.notifications.release(first, cause="too late")
    assert not services.notifications.mark_delivered(first)
    assert not services.notifications.give_up(first, reason="too late")
    assert notification_rows(services, job) == before


def test_a_claim_of_one_channel_ends_no_notification_of_another(services: Services) -> None:
    claim = claimed_mail(services, ready_job(services))
    other = NotificationClaim(claim.job_id, "webhook", claim.token)  # type: ignore[arg-type]  # there is one channel
    assert not services.notifications.mark_delivered(other)
    assert services.notifications.claim(claim.job_id, other.channel) is None
    assert not services.notifications.is_pending(claim.job_id, other.channel)


def test_the_claim_of_a_notification_is_not_a_claim_of_the_job(services: Services) -> None:
    job = ready_job(services)
    claimed_mail(services, job)
    job, before = job_now(services, job.id), row_of(services, job)
    for step in ("renew", "ready", "failed", "release"):
        assert not STEPS[step](services, job)
    assert row_of(services, job) == before


def test_a_job_deleted_while_its_notification_is_sent_is_still_disposed_of(services: Services) -> None:
    job = ready_job(services)
    claim = claimed_mail(services, job)
    assert services.jobs.delete(job.id)
    assert not services.notifications.mark_delivered(claim)
    assert notification_rows(services, job) == []
    assert [waiting.id for waiting in services.jobs.to_dispose()] == [job.id]


def test_a_job_that_cannot_be_deleted_keeps_its_notifications(services: Services) -> None:
    job = ready_job(services)
    assert services.jobs.delete(job.id)
    other = ready_job(services)
    assert not services.jobs.delete(job.id)
    assert len(notification_rows(services, other)) == 1


def test_a_released_notification_can_be_claimed_immediately_and_shows_no_error(services: Services) -> None:
    job = ready_job(services)
    assert services.notifications.release(claimed_mail(services, job), cause="the mail server is away")
    mail = mail_notification(services, job)
    assert (mail.last_error, mail.error, mail.delivered_at) == ("the mail server is away", None, None)
    assert services.notifications.mark_delivered(claimed_mail(services, job))
    mail = mail_notification(services, job)
    assert (mail.last_error, mail.error) == (None, None)
    assert mail.delivered_at is not None


def test_notifications_are_listed_by_job(services: Services) -> None:
    jobs = [ready_job(services), notified_job(services), queued_job(services)]
    found = services.notifications.by_job([job.id for job in jobs])
    assert [[one.job for one in found[job.id]] for job in jobs] == [[jobs[0].id], [jobs[1].id], []]
