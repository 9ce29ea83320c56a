"""The state machine of a job; each step is one compare-and-set on the row, by the database's clock.

    receiving ─▶ queued ⇄ converting ─▶ ready | failed ─▶ (owner notified) ─▶ expired
                    └───────┴─▶ cancelled ─▶ expired        receiving, any end ─▶ deleted
    failed | cancelled ─▶ (retried) ─▶ queued
    ready ─▶ (audio lost) ─▶ queued | failed: after a restore of the database or of the store; see restoration.py
    importing ─▶ queued | failed | cancelled: the video comes from a URL; see imports.py
    (adopted) ─▶ queued: a video that another program stored

A step that changes no row means that another process acted first; it returns False or None and raises no error.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.conditions import (
    is_due,
    is_past_retention,
    is_unclaimed,
    job_columns,
    job_from_row,
    next_resend_at,
    too_old,
)
from soundlift.common.jobs.deletions import take_step_and_drop_notifications
from soundlift.common.jobs.history import delete_history
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import (
    ENDED,
    FIRST_RESEND_SECONDS,
    MAX_ATTEMPTS,
    MAX_MESSAGE_LENGTH,
    RETRYABLE,
    WAITING,
    Job,
    State,
    give_up_message,
)
from soundlift.common.jobs.quota import admit_retry
from soundlift.common.jobs.restoration import RestorationSteps
from soundlift.common.jobs.turns import next_turn


class Jobs(RestorationSteps):
    """The steps of jobs, and the queries for them. Every method raises DatabaseUnavailable."""

    def send_soon(self, job: Job) -> bool:
        """Make the event of a waiting job due immediately, and record that its publication failed."""
        update = self._change(job.id, table.c.state == job.state, table.c.state.in_(WAITING), resend_at=now())
        return self._take(update, job.id, Step.EVENT_UNSENT)

    def inherit_resend(self, job_id: str, converted: Job) -> bool:
        """Resend the event of a queued job no later than that of the job that is converted with it.

        If that one was lost, both would wait for it: so it is replaced in time, however many jobs are queued meanwhile.
        """
        due = sa.literal(converted.resend_at, sa.Double)
        return self._update(job_id, table.c.state == State.QUEUED, table.c.resend_at > due, resend_at=due)

    def give_up(self, job: Job) -> bool:
        """Move queued, or converting with a lapsed claim → failed, after three lapsed claims or a day."""
        exhausted = sa.or_(table.c.attempts >= MAX_ATTEMPTS, too_old)
        error = give_up_message(job)[:MAX_MESSAGE_LENGTH]
        return self._end(job.id, Step.GAVE_UP, is_unclaimed(), exhausted, error_code="gave_up", error=error)

    def cancel(self, job_id: str) -> bool:
        """Move importing, queued, converting → cancelled."""
        update = self._transition(
            job_id,
            State.CANCELLED,
            table.c.state.in_(WAITING),
            claim=None,
            claimed_until=None,
            resend_at=None,
            turn=None,
            ended_at=now(),
        )
        return self.cancel_import(job_id) or self._take(update, job_id, Step.CANCELLED)

    def retry(self, job: Job, limits: Limits) -> Job | None:
        """Move failed, cancelled → queued with the same video, and return the job.

        The result is None if the job is in another state, or has no video. The notifications of the earlier outcome are
        deleted, so that the next outcome gets its own. An `mp3_fid` stays: it names what a worker that was interrupted
        may have left behind. Raises TooManyJobs.
        """
        cleared = dict.fromkeys(("claim", "claimed_until", "error_code", "error", "last_cause", "ended_at"))
        update = self._transition(
            job.id,
            State.QUEUED,
            table.c.state.in_(RETRYABLE),
            sa.or_(table.c.source_url.is_(None), table.c.video_bytes.is_not(None)),
            attempts=0,
            percent=0,
            resend_at=now() + FIRST_RESEND_SECONDS,
            resend_count=0,
            retried_at=now(),
            retries=table.c.retries + 1,
            **cleared,
        )

        def admit_and_retry(connection: Connection) -> Job | None:
            admit_retry(connection, job.username, limits)
            in_turn = update.values(turn=next_turn(connection, job.username))
            if not take_step_and_drop_notifications(connection, in_turn, job.id, Step.RETRIED):
                return None
            return job_from_row(connection.execute(sa.select(*job_columns).where(table.c.id == job.id)).one())

        return self._database.transact(admit_and_retry)

    def expire(self, job: Job, *, retention: int) -> bool:
        """Move ready or failed with no pending notification, or cancelled → expired, after the retention."""
        update = self._transition(job.id, State.EXPIRED, is_past_retention(retention, now()), purge_after=now())
        return self._take(update, job.id, Step.EXPIRED)

    def mark_disposed(self, job: Job) -> bool:
        """Record that the files of a job that has expired, or of an import without a video, are gone from the store.

        The row of a deleted job is deleted.
        """
        if job.state in ENDED:
            has_files = table.c.state == job.state, table.c.purge_after.is_not(None)
            return self._take(self._change(job.id, *has_files, purge_after=None), job.id, Step.FILES_DELETED)
        deletion = sa.delete(table).where(table.c.id == job.id, table.c.state == State.DELETED)

        def delete_both(connection: Connection) -> bool:
            deleted = connection.execute(deletion).rowcount == 1
            if deleted:
                delete_history(connection, [job.id])
            return deleted

        return self._database.transact(delete_both)

    def postpone(self, job: Job) -> bool:
        """Claim the sending of a due event; only one of several concurrent callers gets True."""
        update = self._change(
            job.id,
            table.c.state == job.state,
            table.c.resend_count == job.resend_count,
            is_due(now()),
            resend_at=next_resend_at,
            resend_count=table.c.resend_count + 1,
        )
        return self._take(update, job.id, Step.EVENT_RESENT)
