"""The steps of a job until its video is stored; see store.py for the state machine."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.conditions import is_interrupted, is_receiving, job_columns, job_from_row, next_update
from soundlift.common.jobs.history import record, take_step
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.lists import JobLists
from soundlift.common.jobs.model import FIRST_RESEND_SECONDS, RECEIVE_SECONDS, Job, State
from soundlift.common.jobs.quota import Reservation, admit_bytes, admit_job
from soundlift.common.jobs.turns import next_turn, turn_of
from soundlift.common.jobs.upload_keys import UploadKey, forget_key, insert_key
from soundlift.common.jobs.user_lock import lock_user
from soundlift.common.media import new_media_id
from soundlift.common.webhooks.rows import option_columns

InsertMore = Callable[[Connection, str], None]
"""Inserts rows for the job with an id."""


class UploadSteps(JobLists):
    """The steps of uploads and of adopted videos. Every method raises DatabaseUnavailable."""

    def receive(  # noqa: PLR0913 - each is a column, except the last four
        self,
        *,
        username: str,
        file_name: str,
        content_type: str,
        traceparent: str | None,
        options: str | None = None,
        reservation: Reservation | None = None,
        key: UploadKey | None = None,
        part_bytes: int | None = None,
        keep_seconds: int = RECEIVE_SECONDS,
        insert_more: InsertMore | None = None,
    ) -> Job:
        """Insert the row of a new upload, before the store is touched; `options` are from AudioOptions.to_json.

        `part_bytes` is for a direct upload; see direct_uploads.py. The upload counts as interrupted after
        `keep_seconds` without new bytes. `insert_more` may insert other rows in the same transaction. Raises
        UploadInProgress if another upload has the same key, before its quota is measured, and TooManyJobs, StorageFull,
        TooManyUploads or TooManyMinutes if the reservation exceeds a limit.
        """
        job_id = secrets.token_hex(12)
        row = sa.insert(table).values(
            id=job_id,
            created_at=now(),
            changed_at=now(),
            updated_at=now(),
            state=State.RECEIVING,
            username=username,
            file_name=file_name,
            content_type=content_type,
            video_fid=new_media_id(),
            traceparent=traceparent,
            **option_columns(options),
            video_bytes=reservation.size if reservation else None,
            part_bytes=part_bytes,
            upload_deadline=now() + keep_seconds,
        )

        def admit_and_insert(connection: Connection) -> Job:
            if key:
                insert_key(connection, key, job_id)
            if reservation:
                admit_job(connection, username, reservation)
            connection.execute(row)
            record(connection, job_id, Step.RECEIVING)
            if insert_more:
                insert_more(connection, job_id)
            # Read in the same transaction: after its commit, an error would leave a row that no caller knows about.
            return job_from_row(connection.execute(sa.select(*job_columns).where(table.c.id == job_id)).one())

        return self._database.transact(admit_and_insert)

    def adopt(self, *, video_fid: str, username: str, video_bytes: int, traceparent: str | None) -> bool:
        """Insert a queued row for a video that another program stored, with the video's id, unless it exists."""
        row = sa.insert(table).values(
            id=video_fid,
            created_at=now(),
            changed_at=now(),
            updated_at=now(),
            state=State.QUEUED,
            username=username,
            file_name="video",
            content_type="application/octet-stream",
            video_fid=video_fid,
            video_bytes=video_bytes,
            traceparent=traceparent,
            resend_at=now() + FIRST_RESEND_SECONDS,
        )

        def insert(connection: Connection) -> None:
            lock_user(connection, username)
            connection.execute(row.values(turn=next_turn(connection, username)))
            record(connection, video_fid, Step.ADOPTED)

        try:
            self._database.transact(insert)
        except sa.exc.IntegrityError:
            return False
        return True

    def extend_deadline(self, job_id: str) -> bool:
        """Postpone the time at which an upload counts as interrupted."""
        return self._update(job_id, is_receiving(), upload_deadline=now() + RECEIVE_SECONDS)

    def reserve(self, job: Job, more: Reservation, *, keep_seconds: int = RECEIVE_SECONDS) -> bool:
        """Count more bytes for an upload, and postpone the time at which it counts as interrupted.

        Raises StorageFull.
        """
        mine = sa.and_(table.c.id == job.id, is_receiving())
        size = sa.func.coalesce(table.c.video_bytes, 0) + more.size
        step = sa.update(table).where(mine).values(video_bytes=size, upload_deadline=now() + keep_seconds)

        def admit_and_count(connection: Connection) -> bool:
            admit_bytes(connection, job.id, job.username, more)
            return connection.execute(step).rowcount == 1

        return self._database.transact(admit_and_count)

    def queue(self, job_id: str, *, video_bytes: int, options: str | None = None) -> Job | None:
        """Move receiving → queued and return the job; `options`, if given, replace the earlier ones.

        The store must have the complete video. After DatabaseUnavailable, the job may be queued nevertheless.
        From then on the user's quota contains the video's actual size instead of the reservation.
        """
        update = self._transition(
            job_id,
            State.QUEUED,
            is_receiving(),
            video_bytes=video_bytes,
            **{name: sa.func.coalesce(value, table.c[name]) for name, value in option_columns(options).items()},
            upload_deadline=None,
            resend_at=now() + FIRST_RESEND_SECONDS,
        )

        def queue_and_read(connection: Connection) -> Job | None:
            in_turn = update.values(turn=turn_of(connection, job_id))
            if not take_step(connection, in_turn, job_id, Step.QUEUED):
                return None
            # Read in the same transaction: an error after its commit would look as if the job were not queued.
            return job_from_row(connection.execute(sa.select(*job_columns).where(table.c.id == job_id)).one())

        return self._database.transact(queue_and_read)

    def roll_back(self, job_id: str) -> bool:
        """Move receiving → deleted, after an upload has failed; its key can be used again."""
        return self._break_off(job_id, Step.UPLOAD_FAILED, is_receiving())

    def abandon(self, job: Job) -> bool:
        """Move receiving → deleted, if the upload is still interrupted; its key can be used again."""
        return self._break_off(job.id, Step.UPLOAD_INTERRUPTED, is_interrupted(now()))

    def _break_off(self, job_id: str, step: Step, condition: sa.ColumnElement[bool]) -> bool:
        update = self._transition(job_id, State.DELETED, condition, upload_deadline=None, purge_after=now())

        def delete_and_forget(connection: Connection) -> bool:
            deleted = take_step(connection, update, job_id, step)
            if deleted:
                forget_key(connection, job_id)
            return deleted

        return self._database.transact(delete_and_forget)

    def _take(self, update: sa.Update, job_id: str, step: Step, **entry: Any) -> bool:
        """Take a step, and record it with these values, unless another process acted first."""
        return self._database.transact(lambda connection: take_step(connection, update, job_id, step, **entry))

    def _transition(self, job_id: str, state: State, *conditions: sa.ColumnElement[bool], **values: Any) -> sa.Update:
        return self._change(job_id, *conditions, state=state, changed_at=now(), updated_at=next_update, **values)

    def _change(self, job_id: str, *conditions: sa.ColumnElement[bool], **values: Any) -> sa.Update:
        return sa.update(table).where(table.c.id == job_id, *conditions).values(**values)

    def _update(self, job_id: str, *conditions: sa.ColumnElement[bool], **values: Any) -> bool:
        return self._database.change(self._change(job_id, *conditions, **values)) == 1
