"""The record of changes: every step that a job document shows is one, no other is, and none is ever missed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from soundlift.common.db.clock import now
from soundlift.common.db.tables import deletions
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.cursor import KEEP_DELETIONS_SECONDS, OVERLAP_SECONDS, Cursor, Update
from soundlift.common.jobs.model import HIDDEN, Job, State
from soundlift.common.notifications.model import CLAIM_SECONDS
from soundlift.common.services import Services
from tests.contract.conftest import SERVERS
from tests.factories.jobs import (
    MP3_SOUND,
    age,
    claimed_job,
    claimed_mail,
    failed_job,
    job_now,
    notified_job,
    queued_job,
    ready_job,
    receiving_job,
)
from tests.jobs.steps import MAKERS, STEPS, adopted_job

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

ADA = "ada@example.org"
INVISIBLE = {"send_soon", "extend_deadline", "reserve", "roll_back", "postpone", "postpone_mail", "send_mail_soon"} | {
    "send_import_soon",
    "claim_mail",
    "release_mail",
    "disposed",
    "abandon",
    "cancel_upload",
    "take_over",
    "inherit_resend",
}
# SQLite has one writer at a time, so changes are committed in the order of their times.
on_servers = pytest.mark.parametrize("database_url", SERVERS, indirect=True)
Seen = tuple[Cursor, list[Update]]


def look(services: Services, cursor: Cursor | None = None, scope: str | None = ADA) -> Seen:
    """Return a new cursor, and what has changed since the earlier one."""
    moment = services.jobs.moment()
    since = cursor.since if cursor else Cursor.start(moment)
    updates = services.jobs.updates(scope, since=since)
    changes = cursor.changes(updates) if cursor else []
    return Cursor.after(updates, moment, scope, since=since), changes


@pytest.mark.parametrize("state", State)
def test_a_step_is_a_change_exactly_if_the_job_document_shows_it(services: Services, state: State) -> None:
    for step in STEPS:  # one test for each of them would make a database for each
        job = MAKERS[state](services)
        cursor, _ = look(services)
        taken = STEPS[step](services, job)
        cursor, changes = look(services, cursor)
        expected = [job.id] if taken and step not in INVISIBLE else []
        assert [change.job_id for change in changes] == expected, step
        assert [change.deleted for change in changes] == [step == "delete"] * len(expected), step
        assert look(services, cursor)[1] == [], step


def test_each_change_of_a_job_has_a_later_time_even_if_the_clock_is_set_back(services: Services) -> None:
    job, claim = claimed_job(services)
    with services.database.write() as connection:
        connection.execute(sa.update(table).values(updated_at=now() + 60))
    times = [job_now(services, job.id).updated_at]
    for percent in (10, 20, 30):
        assert services.jobs.renew(claim, percent=percent)
        times.append(job_now(services, job.id).updated_at)
    assert services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=1.0)
    times.append(job_now(services, job.id).updated_at)
    assert times == sorted(set(times))


def test_a_heartbeat_without_progress_is_no_change_but_renews_the_claim(services: Services) -> None:
    job, claim = claimed_job(services)
    assert services.jobs.renew(claim, percent=42)
    before = job_now(services, job.id)
    age(services, job, 20, "claimed_until")
    assert services.jobs.renew(claim, percent=42)
    assert job_now(services, job.id) == before
    age(services, job, 20, "claimed_until")
    assert services.jobs.renew(claim, percent=43)
    after = job_now(services, job.id)
    assert (after.percent, after.updated_at > before.updated_at) == (43, True)


def test_jobs_of_other_users_and_incomplete_uploads_are_no_changes(services: Services) -> None:
    cursors = {scope: look(services, scope=scope)[0] for scope in (ADA, None)}
    own, other = queued_job(services), queued_job(services, email="bob@example.org")
    receiving = receiving_job(services)
    assert services.jobs.delete(ready_job(services, email="bob@example.org").id)
    found = {scope: {change.job_id for change in look(services, cursors[scope], scope)[1]} for scope in cursors}
    assert found[ADA] == {own.id}
    assert {own.id, other.id} < found[None]
    assert receiving.id not in found[None]
    assert len(found[None]) == 3


def test_a_job_with_a_hidden_state_is_in_no_list_of_several_jobs(services: Services) -> None:
    made = {state: make(services) for state, make in MAKERS.items()}
    found = services.jobs.find_all([made[State.READY].id, "f" * 24, *(job.id for job in made.values())])
    assert [job.id for job in found] == [
        made[State.READY].id,
        *(made[state].id for state in State if state not in (*HIDDEN, State.READY)),
    ]


@contextmanager
def uncommitted(services: Services, job: Job) -> Iterator[None]:
    """Record a change of a job in a transaction that is committed at the end."""
    with services.database.write() as connection:
        connection.execute(sa.update(table).where(table.c.id == job.id).values(percent=50, updated_at=now()))
        yield


@on_servers
def test_a_change_that_is_committed_after_a_later_one_is_not_missed(services: Services) -> None:
    early, late = queued_job(services), queued_job(services)
    cursor, _ = look(services)
    rival = Services(services.settings)
    with uncommitted(rival, early):
        assert services.jobs.cancel(late.id)
        cursor, changes = look(services, cursor)
        assert [change.job_id for change in changes] == [late.id]
        cursor, changes = look(services, cursor)
        assert changes == []
    rival.database.engine.dispose()
    assert job_now(services, early.id).updated_at < job_now(services, late.id).updated_at
    assert [change.job_id for change in look(services, cursor)[1]] == [early.id]


@on_servers
def test_the_server_rolls_back_the_transaction_of_a_process_that_is_suspended(services: Services) -> None:
    on_mysql = services.database.engine.dialect.name == "mysql"
    idle = "SELECT setting::int / 1000 FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"
    with services.database.read() as connection:
        seconds = connection.scalar(sa.text("SELECT @@SESSION.wait_timeout" if on_mysql else idle))
    pauses_after_a_change = 5  # four statements and the commit
    assert 0 < pauses_after_a_change * seconds < OVERLAP_SECONDS / 2 + 1


def test_a_deleted_job_stays_listed_as_deleted_after_its_row_is_gone(services: Services) -> None:
    job = ready_job(services)
    cursor, _ = look(services)
    assert services.jobs.delete(job.id)
    assert services.jobs.mark_disposed(job_now(services, job.id))
    assert services.jobs.find(job.id) is None
    assert [(change.job_id, change.deleted) for change in look(services, cursor)[1]] == [(job.id, True)]


def test_an_expired_row_that_is_deleted_after_its_retention_is_listed_as_deleted(services: Services) -> None:
    job = notified_job(services)
    age(services, job, 7200)
    assert services.jobs.expire(job_now(services, job.id), retention=3600)
    assert services.jobs.mark_disposed(job_now(services, job.id))
    age(services, job, 7200)
    cursor, _ = look(services)
    assert services.jobs.delete_old_rows(retention=3600) == 1
    assert [(change.job_id, change.deleted) for change in look(services, cursor)[1]] == [(job.id, True)]


def test_the_record_of_a_deletion_is_kept_as_long_as_a_cursor_is_valid(services: Services) -> None:
    job = ready_job(services)
    assert services.jobs.delete(job.id)

    def pass_time(seconds: int) -> None:
        with services.database.write() as connection:
            connection.execute(sa.update(deletions).values(updated_at=deletions.c.updated_at - seconds))

    pass_time(KEEP_DELETIONS_SECONDS - 60)
    assert services.jobs.delete_old_deletions() == 0
    pass_time(61)
    assert services.jobs.delete_old_deletions() == 1
    assert services.jobs.delete_old_deletions() == 0


def test_an_adopted_job_can_be_deleted_created_and_deleted_again(services: Services) -> None:
    for _ in range(2):
        job = adopted_job(services)
        assert services.jobs.cancel(job.id)
        assert services.jobs.delete(job.id)
        assert services.jobs.mark_disposed(job_now(services, job.id))
    cursor, _ = look(services)
    adopted_job(services)
    assert {change.deleted for change in look(services, cursor)[1]} == {True, False}


def test_a_delivery_with_a_lost_claim_is_no_change(services: Services) -> None:
    job = ready_job(services)
    lost = claimed_mail(services, job)
    age(services, job, CLAIM_SECONDS + 1, "claimed_until")
    claimed_mail(services, job)
    cursor, _ = look(services)
    assert not services.notifications.mark_delivered(lost)
    assert not services.notifications.give_up(lost, reason="x")
    assert look(services, cursor)[1] == []


def test_a_job_that_functions_of_an_older_release_wrote_has_the_times_of_its_last_change_of_state(
    services: Services,
) -> None:
    queued, failed = queued_job(services), failed_job(services)
    with services.database.write() as connection:
        connection.execute(sa.update(table).values(updated_at=0, ended_at=None))
    assert (job_now(services, queued.id).updated_at, job_now(services, queued.id).ended_at) == (queued.changed_at, None)
    assert job_now(services, failed.id).updated_at == job_now(services, failed.id).ended_at == failed.changed_at
