"""The steps of a conversion, each of which needs a valid claim; see store.py for the state machine."""

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
    is_unclaimed,
    next_resend_at,
    next_update,
    too_old,
)
from soundlift.common.jobs.deletions import DeletionSteps
from soundlift.common.jobs.history import attempts_of, take_step
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import (
    CLAIM_SECONDS,
    MAX_ATTEMPTS,
    MAX_MESSAGE_LENGTH,
    AudioDescription,
    Claim,
    Job,
    State,
    finite_or_none,
)
from soundlift.common.jobs.rates import admit_sound
from soundlift.common.jobs.recent import count
from soundlift.common.jobs.turns import turn_of
from soundlift.common.jobs.user_lock import lock_owner
from soundlift.common.media import new_media_id
from soundlift.common.notifications.rows import add_notifications


class ConversionSteps(DeletionSteps):
    """The steps of workers that convert jobs. Every method raises DatabaseUnavailable."""

    def claim(self, job: Job) -> Claim | None:
        """Move queued, or converting with a lapsed claim → converting, unless the row names another file than it did.

        That file would be what another worker left behind since then, and nobody would delete it.
        """
        claim = Claim(job_id=job.id, token=secrets.token_hex(12), mp3_fid=new_media_id())
        update = self._transition(
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
        won = self._take(update, job.id, Step.CLAIMED, attempt=attempts_of(job.id), claim=claim.token)
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
        return self._end(claim.job_id, Step.READY, holds_claim(claim), claim=claim.token, sound=sound, **values)

    def mark_failed(self, claim: Claim, *, code: str, message: str) -> bool:
        """Move converting → failed: this video cannot be converted, for the reason in the message."""
        values: dict[str, Any] = {"error_code": code, "error": message[:MAX_MESSAGE_LENGTH]}
        return self._end(claim.job_id, Step.FAILED, holds_claim(claim), claim=claim.token, **values)

    def release(self, claim: Claim, *, cause: str) -> bool:
        """Move converting → queued after trouble that the video did not cause; the attempt does not count.

        The job goes behind its owner's other jobs, so that even jobs that always fail leave the other users theirs.
        """
        update = self._transition(
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
            entry = {"attempt": attempts_of(claim.job_id) + 1, "claim": claim.token, "detail": cause}
            return take_step(connection, update.values(turn=turn), claim.job_id, Step.RELEASED, **entry)

        return self._database.transact(line_up)

    def _end(
        self,
        job_id: str,
        step: Step,
        *conditions: sa.ColumnElement[bool],
        claim: str | None = None,
        sound: float = 0.0,
        **values: Any,
    ) -> bool:
        """Move a job to its outcome; in the same transaction, add its notifications and count its seconds of sound."""
        state = State.READY if step == Step.READY else State.FAILED
        cleared = dict.fromkeys(("claim", "claimed_until", "resend_at", "turn"))
        update = self._transition(job_id, state, *conditions, ended_at=now(), **cleared, **values)

        def end_and_notify(connection: Connection) -> bool:
            username = lock_owner(connection, job_id) if sound else None
            entry = {"attempt": attempts_of(job_id), "claim": claim, "detail": values.get("error")}
            ended = take_step(connection, update, job_id, step, **entry)
            if ended:
                add_notifications(connection, job_id)
                if username is not None:
                    count(connection, username, seconds=sound)
            return ended

        return self._database.transact(end_and_notify)
