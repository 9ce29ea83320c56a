"""The state machine of a job; each step is one compare-and-set on the row, by the database's clock.

    receiving ─▶ queued ⇄ converting ─▶ ready | failed ─▶ (owner notified) ─▶ expired
                    └───────┴─▶ cancelled ─▶ expired        receiving, any end ─▶ deleted
    failed | cancelled ─▶ (retried) ─▶ queued
    (adopted) ─▶ queued: a video that another program stored

A step that changes no row means that another process acted first; it returns False or None and raises no error.
"""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.conditions import (
    audio_columns,
    holds_claim,
    is_due,
    is_past_retention,
    is_unclaimed,
    job_columns,
    job_from_row,
    next_resend_at,
    next_update,
    too_old,
)
from soundlift.common.jobs.deletions import DeletionSteps
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import (
    FIRST_RESEND_SECONDS,
    MAX_ATTEMPTS,
    MAX_MESSAGE_LENGTH,
    RETRYABLE,
    WAITING,
    AudioDescription,
    Claim,
    Job,
    State,
    finite_or_none,
    give_up_message,
)
from soundlift.common.jobs.quota import admit_retry
from soundlift.common.jobs.rates import admit_sound
from soundlift.common.jobs.recent import count
from soundlift.common.jobs.turns import next_turn, turn_of
from soundlift.common.jobs.user_lock import lock_owner
from soundlift.common.media import new_media_id
from soundlift.common.notifications.rows import add_notifications, delete_notifications

CLAIM_SECONDS = 30


class Jobs(DeletionSteps):
    """The steps of jobs, and the queries for them. Every method raises DatabaseUnavailable."""

    def send_soon(self, job: Job) -> bool:
        """Make the event of a waiting job due immediately, after its publication failed."""
        return self._update(job.id, table.c.state == job.state, table.c.state.in_(WAITING), resend_at=now())

    def inherit_resend(self, job_id: str, converted: Job) -> bool:
        """Resend the event of a queued job no later than that of the job that is converted with it.

        If that one was lost, both would wait for it: so it is replaced in time, however many jobs are queued meanwhile.
        """
        due = sa.literal(converted.resend_at, sa.Double)
        return self._update(job_id, table.c.state == State.QUEUED, table.c.resend_at > due, resend_at=due)

    def claim(self, job: Job) -> Claim | None:
        """Move queued, or converting with a lapsed claim → converting, unless the row names another file than it did.

        That file would be what another worker left behind since then, and nobody would delete it.
        """
        claim = Claim(job_id=job.id, token=secrets.token_hex(12), mp3_fid=new_media_id())
        won = self._move(
            job.id,
            State.CONVERTING,
            is_unclaimed(),
            table.c.mp3_fid.is_not_distinct_from(job.mp3_fid),
            table.c.attempts < MAX_ATTEMPTS,
            sa.not_(too_old),
            claim=claim.token,
            claimed_until=now() + CLAIM_SECONDS,
            attempts=table.c.attempts + 1,
            mp3_fid=claim.mp3_fid,
            percent=0,
            resend_at=now(),
            turn=None,
        )
        return claim if won else None

    def confirm_unclaimed(self, job: Job) -> bool:
        """Return whether a job still waits for a worker and its row names the same audio file as when it was read.

        This changes no value, but waits for a transaction that began to end the job before its claim lapsed.
        """
        return self._update(job.id, is_unclaimed(), table.c.mp3_fid == job.mp3_fid, mp3_fid=job.mp3_fid)

    def renew(self, claim: Claim, *, percent: int) -> bool:
        """Renew a claim and record the progress; return False if the job is no longer ours."""
        updated_at = sa.case((table.c.percent == percent, table.c.updated_at), else_=next_update)
        step = sa.update(table).where(table.c.id == claim.job_id, holds_claim(claim))
        # MySQL assigns in this order, and an expression reads the values that were assigned before it.
        values = (table.c.updated_at, updated_at), (table.c.percent, percent)
        return self._database.change(step.ordered_values(*values, (table.c.claimed_until, now() + CLAIM_SECONDS))) == 1

    def reserve_sound(self, claim: Claim, seconds: float, limits: Limits) -> None:
        """Count the expected length of a job's sound while it is converted; raises TooManyMinutes."""
        step = sa.update(table).where(table.c.id == claim.job_id, holds_claim(claim)).values(reserved_seconds=seconds)

        def admit_and_reserve(connection: Connection) -> None:
            if username := lock_owner(connection, claim.job_id):
                admit_sound(connection, claim, username, seconds, limits.minutes_per_day)
                connection.execute(step)

        if limits.minutes_per_day:
            self._database.transact(admit_and_reserve)

    def mark_ready(  # noqa: PLR0913 - what is known of an audio file
        self,
        claim: Claim,
        *,
        audio: AudioDescription,
        mp3_bytes: int,
        length: float,
        missing_seconds: float | None = None,
        waveform: bytes | None = None,
    ) -> bool:
        """Move converting → ready: the store has the complete audio file; `missing_seconds` could not be read.

        `waveform` has a byte for the peak of each of several equal parts, 255 for full scale; None means unknown.
        Seconds that are not finite are stored as unknown.
        """
        seconds = {"length": finite_or_none(length), "missing_seconds": finite_or_none(missing_seconds)}
        values = {"mp3_bytes": mp3_bytes, "percent": 100, "waveform": waveform, **audio_columns(audio), **seconds}
        sound = seconds["length"] or 0.0
        return self._end(claim.job_id, State.READY, holds_claim(claim), sound=sound, **values)

    def mark_failed(self, claim: Claim, *, code: str, message: str) -> bool:
        """Move converting → failed: this video cannot be converted, for the reason in the message."""
        return self._end(
            claim.job_id, State.FAILED, holds_claim(claim), error_code=code, error=message[:MAX_MESSAGE_LENGTH]
        )

    def release(self, claim: Claim, *, cause: str) -> bool:
        """Move converting → queued after trouble that the video did not cause; the attempt does not count.

        The job goes behind its owner's other jobs, so that even jobs that always fail leave the other users theirs.
        """
        step = self._step(
            claim.job_id,
            State.QUEUED,
            table.c.claim == claim.token,
            table.c.state == State.CONVERTING,
            claim=None,
            claimed_until=None,
            attempts=table.c.attempts - 1,
            percent=0,
            resend_at=next_resend_at,
            resend_count=table.c.resend_count + 1,
            last_cause=cause[:MAX_MESSAGE_LENGTH],
        )

        def line_up(connection: Connection) -> bool:
            turn = turn_of(connection, claim.job_id)
            return connection.execute(step.values(turn=turn)).rowcount == 1

        return self._database.transact(line_up)

    def give_up(self, job: Job) -> bool:
        """Move queued, or converting with a lapsed claim → failed, after three lapsed claims or a day."""
        exhausted = sa.or_(table.c.attempts >= MAX_ATTEMPTS, too_old)
        error = give_up_message(job)[:MAX_MESSAGE_LENGTH]
        return self._end(job.id, State.FAILED, is_unclaimed(), exhausted, error_code="gave_up", error=error)

    def cancel(self, job_id: str) -> bool:
        """Move queued, converting → cancelled."""
        return self._move(
            job_id,
            State.CANCELLED,
            table.c.state.in_(WAITING),
            claim=None,
            claimed_until=None,
            resend_at=None,
            turn=None,
            ended_at=now(),
        )

    def retry(self, job: Job, limits: Limits) -> Job | None:
        """Move failed, cancelled → queued with the same video, and return the job; None if it is in another state.

        The notifications of the earlier outcome are deleted, so that the next outcome gets its own. An `mp3_fid` stays:
        it names what a worker that was interrupted may have left behind. Raises TooManyJobs.
        """
        cleared = dict.fromkeys(("claim", "claimed_until", "error_code", "error", "last_cause", "ended_at"))
        step = self._step(
            job.id,
            State.QUEUED,
            table.c.state.in_(RETRYABLE),
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
            if connection.execute(step.values(turn=next_turn(connection, job.username))).rowcount != 1:
                return None
            delete_notifications(connection, [job.id])
            return job_from_row(connection.execute(sa.select(*job_columns).where(table.c.id == job.id)).one())

        return self._database.transact(admit_and_retry)

    def expire(self, job: Job, *, retention: int) -> bool:
        """Move ready or failed with no pending notification, or cancelled → expired, after the retention."""
        return self._move(job.id, State.EXPIRED, is_past_retention(retention, now()), purge_after=now())

    def mark_disposed(self, job: Job) -> bool:
        """Record that the files of an expired job are gone from the store; delete the row of a deleted job."""
        if job.state == State.EXPIRED:
            return self._update(
                job.id, table.c.state == State.EXPIRED, table.c.purge_after.is_not(None), purge_after=None
            )
        return self._database.change(sa.delete(table).where(table.c.id == job.id, table.c.state == State.DELETED)) == 1

    def postpone(self, job: Job) -> bool:
        """Claim the sending of a due event; only one of several concurrent callers gets True."""
        return self._update(
            job.id,
            table.c.state == job.state,
            table.c.resend_count == job.resend_count,
            is_due(now()),
            resend_at=next_resend_at,
            resend_count=table.c.resend_count + 1,
        )

    def _end(
        self, job_id: str, state: State, *conditions: sa.ColumnElement[bool], sound: float = 0.0, **values: Any
    ) -> bool:
        """Move a job to an outcome; in the same transaction, add its notifications and count its seconds of sound."""
        cleared = dict.fromkeys(("claim", "claimed_until", "resend_at", "turn"))
        step = self._step(job_id, state, *conditions, ended_at=now(), **cleared, **values)

        def end_and_notify(connection: Connection) -> bool:
            username = lock_owner(connection, job_id) if sound else None
            ended = connection.execute(step).rowcount == 1
            if ended:
                add_notifications(connection, job_id)
                if username is not None:
                    count(connection, username, seconds=sound)
            return ended

        return self._database.transact(end_and_notify)
