"""Holds the state machine of a job: each step is one compare-and-set on the row, by the database's clock.

    receiving ─▶ queued ⇄ converting ─▶ ready | failed ─▶ (told) ─▶ expired
                    └───────┴─▶ cancelled ─▶ expired        any end ─▶ deleted
    (adopted) ─▶ queued: a video that another program stored

A step that changes no row means that another was first, and is answered with False or None, never an error.
"""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.engine import Database
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.conditions import (
    columns,
    is_broken_off,
    is_due,
    is_free,
    is_mine,
    is_past_retention,
    job_of,
    resend_at,
    too_old,
)
from soundlift.common.jobs.model import (
    ENDED,
    FIRST_NOTIFICATION_RESEND_SECONDS,
    FIRST_RESEND_SECONDS,
    HIDDEN,
    MOST_ATTEMPTS,
    OUTCOMES,
    RECEIVE_SECONDS,
    WAITING,
    Claim,
    Job,
    State,
    finite,
    last_words,
)
from soundlift.common.jobs.quota import Reservation, admit_bytes, admit_job
from soundlift.common.media import new_media_id

CLAIM_SECONDS = 30
TELL_SECONDS = 120
LONGEST_SENTENCE = 1000
BATCH = 100


class Jobs:
    """Reads jobs and takes their steps. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, job_id: str) -> Job | None:
        """Return a job by its id."""
        return next(iter(self._select(table.c.id == job_id)), None)

    def find_by_mp3(self, mp3_fid: str) -> Job | None:
        """Return the job that made an MP3."""
        return next(iter(self._select(table.c.mp3_fid == mp3_fid)), None)

    def find_by_video(self, video_fid: str) -> Job | None:
        """Return the job of a video: an adopted one by its id, and else any, which is not worth an index."""
        return self.find(video_fid) or next(iter(self._select(table.c.video_fid == video_fid)), None)

    def page(self, username: str | None, *, after: str | None = None, limit: int = 50) -> list[Job]:
        """Return the jobs of a user, or of all users, newest first, beginning behind the job `after`."""
        conditions: list[sa.ColumnElement[bool]] = [table.c.state.not_in(HIDDEN)]
        if username is not None:
            conditions.append(table.c.username == username)
        if after is not None:
            then = sa.select(table.c.created_at).where(table.c.id == after).scalar_subquery()
            same_time = sa.and_(table.c.created_at == then, table.c.id < after)
            conditions.append(sa.or_(table.c.created_at < then, same_time))
        return self._select(*conditions, order=(table.c.created_at.desc(), table.c.id.desc()), limit=limit)

    def receive(  # noqa: PLR0913 - each is a column of its own, but for the reservation
        self,
        *,
        username: str,
        file_name: str,
        content_type: str,
        traceparent: str | None,
        options: str | None = None,
        reservation: Reservation | None = None,
    ) -> Job:
        """Write the row of an upload that begins, before the store is touched; `options` is of AudioOptions.to_json.

        Raises TooManyJobs or StorageFull where its reservation passes a limit of the user.
        """
        job_id = secrets.token_hex(12)
        row = table.insert().values(
            id=job_id,
            created_at=now(),
            changed_at=now(),
            state=State.RECEIVING,
            username=username,
            file_name=file_name,
            content_type=content_type,
            video_fid=new_media_id(),
            traceparent=traceparent,
            options=options,
            video_bytes=reservation.size if reservation else None,
            due_at=now() + RECEIVE_SECONDS,
        )

        def admit_and_insert(connection: Connection) -> Job:
            if reservation:
                admit_job(connection, username, reservation)
            connection.execute(row)
            # Read in the same transaction: after its commit, an error would leave a row that nobody knows of.
            return job_of(connection.execute(sa.select(*columns).where(table.c.id == job_id)).one())

        return self._database.transact(admit_and_insert)

    def adopt(self, *, video_fid: str, username: str, video_bytes: int, traceparent: str | None) -> bool:
        """Write a queued row for a video that another program stored, under the video's own id, unless there is one."""
        try:
            self._insert(
                id=video_fid,
                state=State.QUEUED,
                username=username,
                file_name="video",
                content_type="application/octet-stream",
                video_fid=video_fid,
                video_bytes=video_bytes,
                traceparent=traceparent,
                due_at=now() + FIRST_RESEND_SECONDS,
            )
        except sa.exc.IntegrityError:
            return False
        return True

    def still_receiving(self, job_id: str) -> bool:
        """Put off the time when this upload counts as broken off."""
        return self._update(job_id, table.c.state == State.RECEIVING, due_at=now() + RECEIVE_SECONDS)

    def reserve(self, job: Job, more: Reservation) -> bool:
        """Count more bytes for an upload, and put off the time when it counts as broken off; raises StorageFull."""
        mine = sa.and_(table.c.id == job.id, table.c.state == State.RECEIVING)
        size = sa.func.coalesce(table.c.video_bytes, 0) + more.size
        step = table.update().where(mine).values(video_bytes=size, due_at=now() + RECEIVE_SECONDS)

        def admit_and_count(connection: Connection) -> bool:
            admit_bytes(connection, job.id, job.username, more)
            return connection.execute(step).rowcount == 1

        return self._database.transact(admit_and_count)

    def queue(self, job_id: str, *, video_bytes: int, options: str | None = None) -> bool:
        """Move receiving → queued: the store has the whole video; `options` are the last word on them, if given.

        From now on it counts with its own size, no longer with what was reserved for it.
        """
        return self._move(
            job_id,
            State.QUEUED,
            table.c.state == State.RECEIVING,
            video_bytes=video_bytes,
            options=sa.func.coalesce(options, table.c.options),
            due_at=now() + FIRST_RESEND_SECONDS,
        )

    def send_soon(self, job: Job) -> bool:
        """Make the event of a job due at once, where publishing it failed."""
        has_event = table.c.state.in_((*WAITING, *OUTCOMES))
        return self._update(job.id, table.c.state == job.state, has_event, due_at=now())

    def claim(self, job: Job) -> Claim | None:
        """Move queued, or converting by a lapsed claim → converting by us, if the row is still as it was read."""
        claim = Claim(job_id=job.id, token=secrets.token_hex(12), mp3_fid=new_media_id())
        unchanged = table.c.claim.is_(None) if job.claim is None else table.c.claim == job.claim
        won = self._move(
            job.id,
            State.CONVERTING,
            is_free(),
            unchanged,
            table.c.attempts < MOST_ATTEMPTS,
            sa.not_(too_old),
            claim=claim.token,
            claimed_until=now() + CLAIM_SECONDS,
            attempts=table.c.attempts + 1,
            mp3_fid=claim.mp3_fid,
            percent=0,
            due_at=now(),
        )
        return claim if won else None

    def renew(self, claim: Claim, *, percent: int) -> bool:
        """Move converting → converting: keep the claim, show the progress, learn whether the job is still ours."""
        return self._update(claim.job_id, is_mine(claim), percent=percent, claimed_until=now() + CLAIM_SECONDS)

    def ready(self, claim: Claim, *, mp3_bytes: int, length: float, lost: float | None = None) -> bool:
        """Move converting → ready: the store has the whole MP3; `lost` seconds of the sound could not be read.

        Seconds that are not finite are stored as unknown.
        """
        seconds = {"length": finite(length), "lost": finite(lost)}
        return self._end(claim, State.READY, mp3_bytes=mp3_bytes, percent=100, **seconds)

    def failed(self, claim: Claim, *, code: str, sentence: str) -> bool:
        """Move converting → failed: this video has no MP3 to give, and the sentence says why."""
        return self._end(claim, State.FAILED, error_code=code, error=sentence[:LONGEST_SENTENCE])

    def release(self, claim: Claim, *, cause: str) -> bool:
        """Move converting → queued: trouble that is not the video's; the attempt does not count."""
        return self._move(
            claim.job_id,
            State.QUEUED,
            table.c.claim == claim.token,
            table.c.state == State.CONVERTING,
            claim=None,
            claimed_until=None,
            attempts=table.c.attempts - 1,
            percent=0,
            due_at=resend_at,
            sent=table.c.sent + 1,
            last_cause=cause[:LONGEST_SENTENCE],
        )

    def give_up(self, job: Job) -> bool:
        """Move queued, or converting by a lapsed claim → failed, after three claims that died or a day."""
        exhausted = sa.or_(table.c.attempts >= MOST_ATTEMPTS, too_old)
        return self._move(
            job.id,
            State.FAILED,
            is_free(),
            exhausted,
            claim=None,
            claimed_until=None,
            due_at=now(),
            sent=0,
            error_code="gave_up",
            error=last_words(job)[:LONGEST_SENTENCE],
        )

    def cancel(self, job_id: str) -> bool:
        """Move queued, converting → cancelled: its owner does not want it any more."""
        return self._move(
            job_id, State.CANCELLED, table.c.state.in_(WAITING), claim=None, claimed_until=None, due_at=None
        )

    def claim_telling(self, job_id: str) -> Claim | None:
        """Claim the mail of a job that ended and whose owner is not told."""
        claim = Claim(job_id=job_id, token=secrets.token_hex(12))
        free = sa.or_(table.c.claim.is_(None), table.c.claimed_until < now())
        untold = sa.and_(table.c.state.in_(OUTCOMES), table.c.told_at.is_(None))
        won = self._update(job_id, untold, free, claim=claim.token, claimed_until=now() + TELL_SECONDS)
        return claim if won else None

    def told(self, claim: Claim, *, mail_error: str | None = None) -> bool:
        """Note that the mail server took the mail, or refused its recipient for good."""
        return self._update(
            claim.job_id,
            table.c.claim == claim.token,
            table.c.state.in_(OUTCOMES),
            told_at=now(),
            claim=None,
            claimed_until=None,
            due_at=None,
            mail_error=mail_error,
        )

    def not_told(self, claim: Claim, *, cause: str) -> bool:
        """Give the mail back to be sent later."""
        return self._update(
            claim.job_id,
            table.c.claim == claim.token,
            table.c.state.in_(OUTCOMES),
            claim=None,
            claimed_until=None,
            last_cause=cause[:LONGEST_SENTENCE],
        )

    def delete(self, job_id: str) -> bool:
        """Move receiving or any end → deleted: its owner, or its upload, gave it up."""
        return self._move(job_id, State.DELETED, table.c.state.in_((State.RECEIVING, *ENDED)), due_at=now())

    def expire(self, job: Job, *, retention: int) -> bool:
        """Move ready, failed (told), cancelled → expired: kept as long as was promised."""
        return self._move(job.id, State.EXPIRED, is_past_retention(retention), due_at=now())

    def abandon(self, job: Job) -> bool:
        """Move receiving → deleted: the upload's row was not refreshed for RECEIVE_SECONDS."""
        return self._move(job.id, State.DELETED, is_broken_off(), due_at=now())

    def disposed(self, job: Job) -> bool:
        """Note that the store has nothing of an expired job any more; a deleted one's row goes."""
        if job.state == State.EXPIRED:
            return self._update(job.id, table.c.state == State.EXPIRED, table.c.due_at.is_not(None), due_at=None)
        mine = sa.and_(table.c.id == job.id, table.c.state == State.DELETED)
        return self._database.change(table.delete().where(mine)) == 1

    def postpone(self, job: Job) -> bool:
        """Take the turn to send a due event: of many who try only one is told True."""
        return self._update(
            job.id,
            table.c.state == job.state,
            table.c.sent == job.sent,
            is_due(),
            due_at=resend_at,
            sent=table.c.sent + 1,
        )

    def forget_rows(self, *, retention: int) -> int:
        """Remove the rows of jobs that expired long ago, and return how many."""
        old = sa.and_(table.c.state == State.EXPIRED, table.c.due_at.is_(None), table.c.changed_at < now() - retention)
        return self._database.change(table.delete().where(old))

    def due(self) -> list[Job]:
        """Return jobs whose event is to be sent again, at most a batch."""
        return self._select(is_due(), order=(table.c.due_at,), limit=BATCH)

    def past_retention(self, *, retention: int) -> list[Job]:
        """Return jobs whose time is over, at most a batch."""
        return self._select(is_past_retention(retention), limit=BATCH)

    def broken_off(self) -> list[Job]:
        """Return uploads that stopped coming, at most a batch."""
        return self._select(is_broken_off(), limit=BATCH)

    def to_dispose(self) -> list[Job]:
        """Return jobs whose files are to be deleted, at most a batch."""
        over = sa.and_(table.c.state.in_((State.EXPIRED, State.DELETED)), table.c.due_at.is_not(None))
        return self._select(over, limit=BATCH)

    def _insert(self, **values: Any) -> None:
        self._database.change(table.insert().values(created_at=now(), changed_at=now(), **values))

    def _end(self, claim: Claim, state: State, **values: Any) -> bool:
        return self._move(
            claim.job_id,
            state,
            is_mine(claim),
            claim=None,
            claimed_until=None,
            due_at=now() + FIRST_NOTIFICATION_RESEND_SECONDS,
            sent=0,
            **values,
        )

    def _move(self, job_id: str, state: State, *conditions: sa.ColumnElement[bool], **values: Any) -> bool:
        return self._update(job_id, *conditions, state=state, changed_at=now(), **values)

    def _update(self, job_id: str, *conditions: sa.ColumnElement[bool], **values: Any) -> bool:
        return self._database.change(table.update().where(table.c.id == job_id, *conditions).values(**values)) == 1

    def _select(self, *conditions: sa.ColumnElement[bool], order: Any = (), limit: int | None = None) -> list[Job]:
        query = sa.select(*columns).where(*conditions).order_by(*order).limit(limit)
        with self._database.read() as connection:
            return [job_of(row) for row in connection.execute(query)]
