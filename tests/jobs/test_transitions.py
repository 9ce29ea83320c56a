"""The transition table: which steps each state permits, and that all others change nothing."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import GIVE_UP_SECONDS, MAX_ATTEMPTS, MAX_MESSAGE_LENGTH, Job, State
from soundlift.common.services import Services
from tests.factories.jobs import age, claimed_job, claimed_mail, job_now, mail_notification, queued_job, ready_job
from tests.jobs.steps import MAKERS, STEPS, adopted_job, notification_rows, row_of, source_rows_of

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

MAIL_STEPS = {"claim_mail", "mark_delivered", "give_up_mail", "release_mail", "postpone_mail", "send_mail_soon"}
IMPORT_STEPS = {
    *("claim_import", "renew_import", "reserve_import", "finish_import", "fail_import", "release_import"),
    "cancel_import",
}
CLAIMED_IMPORT_STEPS = IMPORT_STEPS - {"claim_import", "cancel_import"}
ALLOWED = {
    State.RECEIVING: {"extend_deadline", "reserve", "queue", "roll_back", "cancel_upload"},
    State.IMPORTING: {"cancel", "send_import_soon", *IMPORT_STEPS},
    State.QUEUED: {"send_soon", "inherit_resend", "claim", "cancel"},
    State.CONVERTING: {"send_soon", "renew", "ready", "failed", "release", "cancel"},
    State.READY: {"delete", *MAIL_STEPS},
    State.FAILED: {"retry", "delete", *MAIL_STEPS},
    State.CANCELLED: {"retry", "delete"},
    State.EXPIRED: {"disposed", "delete"},
    State.DELETED: {"disposed"},
}
UNRECORDED = {
    "extend_deadline",
    "reserve",
    "inherit_resend",
    "renew",
    "renew_import",
    "reserve_import",
}  # in the history


def rows_of(services: Services, job: Job) -> object:
    return row_of(services, job), notification_rows(services, job), source_rows_of(services, job)


@pytest.mark.parametrize("state", State)
def test_a_step_changes_the_rows_and_is_recorded_only_in_the_states_that_permit_it(
    services: Services, state: State
) -> None:
    for step in STEPS:  # one test for each of them would make a database for each
        _take(services, state, step)


def _take(services: Services, state: State, step: str) -> None:
    job = MAKERS[state](services)
    before, history = rows_of(services, job), services.jobs.history(job.id)
    taken = STEPS[step](services, job)
    assert bool(taken) == (step in ALLOWED[state]), step
    assert (rows_of(services, job) != before) == (step in ALLOWED[state]), step
    recorded = services.jobs.history(job.id)[len(history) :]
    if services.jobs.find(job.id) is None:
        assert services.jobs.history(job.id) == [], step
    elif taken and step in (*CLAIMED_IMPORT_STEPS, "mark_delivered", "give_up_mail", "release_mail"):  # after a claim
        assert len(recorded) == (1 if step in UNRECORDED else 2), step
    else:
        assert len(recorded) == (1 if taken and step not in UNRECORDED else 0), step


@pytest.mark.parametrize("step", ["ready", "failed", "release", "give_up", "cancel"])
def test_a_job_has_no_claim_after_its_conversion_ends(services: Services, step: str) -> None:
    job = claimed_job(services)[0]
    if step == "give_up":
        age(services, job, GIVE_UP_SECONDS)
    assert STEPS[step](services, job)
    row = row_of(services, job)
    assert (row.claim, row.claimed_until) == (None, None)
    assert (row.resend_at is None) == (step != "release")


@pytest.mark.parametrize("step", ["mark_delivered", "give_up_mail", "release_mail"])
def test_a_notification_has_no_claim_after_its_attempt_ends(services: Services, step: str) -> None:
    job = ready_job(services)
    assert STEPS[step](services, job)
    (row,) = notification_rows(services, job)
    assert (row.claim, row.claimed_until, row.attempts) == (None, None, 1)
    assert (row.due_at is None) == (step != "release_mail")
    assert (row.delivered_at is None) == (step != "mark_delivered")


@pytest.mark.parametrize("state", State)
def test_each_deadline_is_set_only_in_its_own_states(services: Services, state: State) -> None:
    row = row_of(services, MAKERS[state](services))
    assert (row.upload_deadline is not None) == (state == State.RECEIVING)
    assert (row.resend_at is not None) == (state in (State.QUEUED, State.CONVERTING))
    assert (row.purge_after is not None) == (state in (State.EXPIRED, State.DELETED))


@pytest.mark.parametrize("step", ["abandon", "roll_back", "cancel_upload", "take_over"])
def test_an_upload_that_was_deleted_has_no_deadline_left(services: Services, step: str) -> None:
    job = MAKERS[State.RECEIVING](services)
    age(services, job, 3600)
    assert STEPS[step](services, job)
    assert row_of(services, job).upload_deadline is None
    assert row_of(services, job).purge_after is not None


@pytest.mark.parametrize("end", ["ready", "failed", "give_up"])
@pytest.mark.parametrize("make", [queued_job, adopted_job])
def test_an_outcome_is_committed_together_with_its_notification(services: Services, end: str, make: object) -> None:
    job = make(services)  # type: ignore[operator]  # either factory
    assert notification_rows(services, job) == []
    if end == "give_up":
        age(services, job, GIVE_UP_SECONDS, "created_at")
    else:
        assert services.jobs.claim(job)

    def fail(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO notification"):
            raise sa.exc.OperationalError("INSERT", {}, Exception("the server has gone away"))

    job = job_now(services, job.id)
    before = row_of(services, job)
    sa.event.listen(services.database.engine, "before_cursor_execute", fail)
    try:
        with pytest.raises(Exception, match="does not answer"):
            STEPS[end](services, job)
    finally:
        sa.event.remove(services.database.engine, "before_cursor_execute", fail)
    assert row_of(services, job) == before
    assert STEPS[end](services, job)
    assert [row.channel for row in notification_rows(services, job)] == ["mail"]


def test_a_sentence_is_cut_to_the_length_of_its_column(services: Services) -> None:
    endless, kept = "x" * 2 * MAX_MESSAGE_LENGTH, "x" * MAX_MESSAGE_LENGTH
    job, claim = claimed_job(services)
    assert services.jobs.release(claim, cause=endless)
    assert job_now(services, job.id).last_cause == kept
    age(services, job, GIVE_UP_SECONDS + 1)
    assert services.jobs.give_up(job_now(services, job.id))
    assert len(str(job_now(services, job.id).error)) == MAX_MESSAGE_LENGTH
    assert services.notifications.release(claimed_mail(services, job), cause=endless)
    assert mail_notification(services, job).last_error == kept
    assert services.notifications.give_up(claimed_mail(services, job), reason=endless)
    assert mail_notification(services, job).error == kept
    job, claim = claimed_job(services)
    assert services.jobs.mark_failed(claim, code="x", message=endless)
    assert job_now(services, job.id).error == kept


def test_only_a_waiting_job_is_given_up_regardless_of_age_and_attempts(services: Services) -> None:
    for state, make in MAKERS.items():
        job = make(services)
        age(services, job, GIVE_UP_SECONDS, "created_at")
        with services.database.write() as connection:
            connection.execute(table.update().where(table.c.id == job.id).values(attempts=MAX_ATTEMPTS))
        assert services.jobs.give_up(job_now(services, job.id)) == (state == State.QUEUED)
