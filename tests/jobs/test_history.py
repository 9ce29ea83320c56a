"""Each step of a job is recorded in the transaction that takes it, and deleted with the job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest
import sqlalchemy as sa

from soundlift.common.db.tables import job_history, jobs
from soundlift.common.errors import DatabaseUnavailable
from soundlift.common.jobs import history
from soundlift.common.jobs.history import FIRST_STEPS, LAST_STEPS, delete_orphaned_history
from soundlift.common.jobs.history_entry import HistoryEntry, Step
from soundlift.common.jobs.model import CLAIM_SECONDS, MAX_ATTEMPTS, Job, State
from soundlift.common.notifications.model import Channel
from soundlift.common.services import Services
from tests.factories.jobs import age, claimed_job, failed_job, job_now, queued_job, ready_job, receiving_job
from tests.jobs.steps import MAKERS, NO_LIMITS, STEPS, adopted_job, deleted_job, expired_job

MADE = [Step.RECEIVING, Step.QUEUED]
READY = [*MADE, Step.CLAIMED, Step.READY]


def _steps(services: Services, job: Job) -> list[str]:
    return [entry.step for entry in services.jobs.history(job.id)]


def _rows(services: Services) -> int:
    with services.database.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(job_history)) or 0


def test_a_job_s_history_has_its_steps_with_attempts_claims_and_causes(services: Services) -> None:
    job, first = claimed_job(services)
    assert services.jobs.release(first, cause="The media store cannot be used.")
    second = services.jobs.claim(job_now(services, job.id))
    assert second is not None
    assert services.jobs.mark_failed(second, code="no_audio", message="There is no sound in it.")
    assert (mail := services.notifications.claim(job.id, Channel.MAIL)) is not None
    assert services.notifications.release(mail, cause="The mail server does not answer.")
    assert (last := services.notifications.claim(job.id, Channel.MAIL)) is not None
    assert services.notifications.mark_delivered(last)
    entries = services.jobs.history(job.id)
    assert [(entry.step, entry.attempt, entry.claim, entry.detail) for entry in entries] == [
        (Step.RECEIVING, None, None, None),
        (Step.QUEUED, None, None, None),
        (Step.CLAIMED, 1, first.token, None),
        (Step.RELEASED, 1, first.token, "The media store cannot be used."),
        (Step.CLAIMED, 1, second.token, None),
        (Step.FAILED, 1, second.token, "There is no sound in it."),
        (Step.MAIL_CLAIMED, 1, mail.token, None),
        (Step.MAIL_RELEASED, 1, mail.token, "The mail server does not answer."),
        (Step.MAIL_CLAIMED, 2, last.token, None),
        (Step.MAIL_DELIVERED, 2, last.token, None),
    ]
    times = [entry.at for entry in entries]
    assert times == sorted(times)
    assert job.created_at - 1 < times[0] <= times[-1] < job.created_at + 60


def test_a_job_that_workers_died_with_is_seen_to_be_given_up(services: Services) -> None:
    job = queued_job(services)
    for _ in range(MAX_ATTEMPTS):
        assert services.jobs.claim(job_now(services, job.id))
        age(services, job, CLAIM_SECONDS + 1, "claimed_until")
    assert services.jobs.give_up(job_now(services, job.id))
    entries = services.jobs.history(job.id)[len(MADE) :]
    assert [(entry.step, entry.attempt) for entry in entries] == [
        *((Step.CLAIMED, attempt) for attempt in (1, 2, 3)),
        (Step.GAVE_UP, 3),
    ]
    assert "interrupted 3 times" in str(entries[-1].detail)


ENDS: dict[str, tuple[Callable[[Services], Job], list[Step]]] = {
    "adopted": (adopted_job, [Step.ADOPTED]),
    "cancelled": (MAKERS[State.CANCELLED], [*MADE, Step.CANCELLED]),
    "deleted": (deleted_job, [*READY, Step.DELETED]),
    "expired": (expired_job, [*READY, Step.MAIL_CLAIMED, Step.MAIL_DELIVERED, Step.EXPIRED]),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_history_of_a_job_ends_with_its_last_step(services: Services, name: str) -> None:
    make, steps = ENDS[name]
    assert _steps(services, make(services)) == steps


UPLOADS = {
    "roll_back": Step.UPLOAD_FAILED,
    "abandon": Step.UPLOAD_INTERRUPTED,
    "take_over": Step.UPLOAD_REPLACED,
    "cancel_upload": Step.UPLOAD_CANCELLED,
}


@pytest.mark.parametrize("step", UPLOADS)
def test_a_broken_off_upload_says_why_until_its_row_is_deleted(services: Services, step: str) -> None:
    job = receiving_job(services)
    age(services, job, 3600)
    assert STEPS[step](services, job)
    assert _steps(services, job) == [Step.RECEIVING, UPLOADS[step]]
    assert services.jobs.mark_disposed(job_now(services, job.id))
    assert _rows(services) == 0


def test_a_step_that_cannot_be_recorded_is_not_taken(services: Services) -> None:
    job = queued_job(services)
    with services.database.write() as connection:
        connection.execute(sa.text("ALTER TABLE job_history RENAME TO away"))
    try:
        for attempt in (lambda: services.jobs.claim(job), lambda: services.jobs.cancel(job.id)):
            with pytest.raises(DatabaseUnavailable):
                attempt()
    finally:
        with services.database.write() as connection:
            connection.execute(sa.text("ALTER TABLE away RENAME TO job_history"))
    assert (job_now(services, job.id).state, _steps(services, job)) == (State.QUEUED, MADE)


def test_a_job_that_is_released_for_a_day_keeps_its_first_and_last_steps(services: Services) -> None:
    job = queued_job(services)
    for number in range(LAST_STEPS):
        claim = services.jobs.claim(job_now(services, job.id))
        assert claim is not None
        assert services.jobs.release(claim, cause=f"cause {number}")
    entries = services.jobs.history(job.id)
    assert len(entries) == FIRST_STEPS + 1 + LAST_STEPS
    assert [entry.step for entry in entries[:4]] == [*MADE, Step.CLAIMED, Step.RELEASED]
    assert entries[FIRST_STEPS].step == Step.OMITTED
    assert [entry.step for entry in entries].count(Step.OMITTED) == 1
    assert entries[-1].detail == f"cause {LAST_STEPS - 1}"
    times = [entry.at for entry in entries]
    assert times == sorted(times)


@pytest.mark.parametrize("step", ["postpone", "postpone_mail", "retry"])
def test_no_step_repeats_without_limit(services: Services, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    monkeypatch.setattr(history, "FIRST_STEPS", 2)
    monkeypatch.setattr(history, "LAST_STEPS", 3)
    job = {"postpone": queued_job, "postpone_mail": ready_job, "retry": failed_job}[step](services)
    for _ in range(5):
        age(services, job, 24 * 3600, "resend_at", "due_at")
        assert STEPS[step](services, job_now(services, job.id))
        if step == "retry":
            assert services.jobs.cancel(job.id)
        assert len(services.jobs.history(job.id)) <= 2 + 1 + 3 + 1


def test_the_history_of_an_expired_job_is_deleted_with_its_row(services: Services) -> None:
    job, other = expired_job(services), ready_job(services)
    assert services.jobs.mark_disposed(job)
    assert _steps(services, job)[-1] == Step.FILES_DELETED
    age(services, job, 3600)
    assert services.jobs.delete_old_rows(retention=60) == 1
    assert services.jobs.history(job.id) == []
    assert _steps(services, other) == READY


def test_the_history_of_a_job_that_an_older_release_deleted_is_deleted_some_time(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = queued_job(services), [ready_job(services) for _ in range(2)]
    with services.database.write() as connection:
        connection.execute(sa.delete(jobs).where(jobs.c.id.in_([job.id for job in gone])))
    monkeypatch.setattr(history, "ORPHAN_BATCH", 6)
    assert [delete_orphaned_history(services.database) for _ in range(3)] == [4, 4, 0]
    assert (_rows(services), _steps(services, kept)) == (len(MADE), MADE)


def test_a_history_names_neither_the_user_nor_the_file(services: Services) -> None:
    job = ready_job(services, name="secret holiday.mp4")
    assert services.jobs.retry(job, NO_LIMITS) is None
    with services.database.read() as connection:
        rows = connection.execute(sa.select(job_history)).all()
    assert not any(text in str(row) for row in rows for text in ("ada@", "holiday", job.video_fid, str(job.mp3_fid)))
    assert {item.name for item in fields(HistoryEntry)} == {"at", "step", "attempt", "claim", "detail"}


def test_a_step_of_a_newer_release_is_returned_as_it_is(services: Services) -> None:
    job = queued_job(services)
    with services.database.write() as connection:
        connection.execute(sa.insert(job_history).values(job=job.id, at=1.0, step="teleported"))
    assert _steps(services, job)[-1] == "teleported"
