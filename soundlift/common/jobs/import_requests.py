"""The steps of a job whose video comes from a URL, except those of its worker; see store.py for the state machine.

Each changes the job's row first, and then the row of its source, so that no two of them wait for each other.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import job_sources as sources
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.arriving import arriving_jobs
from soundlift.common.jobs.conditions import is_import, job_columns, job_from_row
from soundlift.common.jobs.conversions import ConversionSteps
from soundlift.common.jobs.history import record, take_step
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.import_parts import delete_part
from soundlift.common.jobs.model import (
    BATCH,
    FIRST_RESEND_SECONDS,
    GIVE_UP_SECONDS,
    MAX_IMPORT_ATTEMPTS,
    MAX_MESSAGE_LENGTH,
    Job,
    State,
)
from soundlift.common.jobs.quota import Reservation, admit_job
from soundlift.common.jobs.upload_keys import UploadKey, insert_key
from soundlift.common.media import new_media_id
from soundlift.common.notifications.rows import add_notifications
from soundlift.common.webhooks.rows import option_columns

MAX_SHOWN_LENGTH = 1000
IMPORT_FAILED = "import_failed"
UNKNOWN_TYPE = "application/octet-stream"
is_unclaimed_source = sa.or_(sources.c.claimed_until.is_(None), sources.c.claimed_until < now())
is_exhausted_source = sa.or_(sources.c.attempts >= MAX_IMPORT_ATTEMPTS, sources.c.created_at < now() - GIVE_UP_SECONDS)


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """A video to import: its URL, and as much of it as may be shown.

    `is_named` means that the user has chosen the name of the file. `options` are from AudioOptions.to_json.
    """

    url: str
    shown_url: str
    file_name: str
    is_named: bool
    options: str
    traceparent: str | None


class ImportRequestSteps(ConversionSteps):
    """The steps of imports that no worker takes. Every method raises DatabaseUnavailable."""

    def request_import(
        self, request: ImportRequest, *, username: str, reservation: Reservation, key: UploadKey | None = None
    ) -> Job:
        """Insert the row of a job whose video is to be imported.

        Raises UploadInProgress if another upload has the same key, and TooManyJobs, StorageFull, TooManyUploads or
        TooManyMinutes if the reservation exceeds a limit.
        """
        job_id = secrets.token_hex(12)
        job = sa.insert(table).values(
            id=job_id,
            created_at=now(),
            changed_at=now(),
            updated_at=now(),
            state=State.RECEIVING,
            username=username,
            file_name=request.file_name,
            content_type=UNKNOWN_TYPE,
            video_fid=new_media_id(),
            traceparent=request.traceparent,
            **option_columns(request.options),
            source_url=request.shown_url[:MAX_SHOWN_LENGTH],
        )
        source = sa.insert(sources).values(
            job=job_id,
            url=request.url,
            is_named=request.is_named,
            attempts=0,
            created_at=now(),
            due_at=now() + FIRST_RESEND_SECONDS,
        )

        def admit_and_insert(connection: Connection) -> Job:
            if key:
                insert_key(connection, key, job_id)
            admit_job(connection, username, reservation)
            connection.execute(job)
            connection.execute(source)
            record(connection, job_id, Step.IMPORTING)
            return read_job(connection, job_id)

        return self._database.transact(admit_and_insert)

    def cancel_import(self, job_id: str) -> bool:
        """Move importing → cancelled."""
        update = self._transition(job_id, State.CANCELLED, is_import(), **_without_video(job_id))

        def cancel(connection: Connection) -> bool:
            cancelled = take_step(connection, update, job_id, Step.CANCELLED)
            if cancelled:
                forget_source(connection, job_id)
            return cancelled

        return self._database.transact(cancel)

    def give_up_import(self, job: Job) -> bool:
        """Move importing → failed, after too many attempts or a day, unless a worker has claimed it."""
        condition = sa.and_(sources.c.job == job.id, is_unclaimed_source, is_exhausted_source)
        with self._database.read() as connection:
            found = connection.execute(sa.select(sources.c.last_cause).where(sources.c.job == job.id)).first()
        cause = f" The last cause: {found.last_cause}" if found and found.last_cause else ""
        message = f"The file could not be imported, so we gave up.{cause}"
        return self._end_import(job.id, condition, IMPORT_FAILED, message, Step.GAVE_UP)

    def due_imports(self) -> list[Job]:
        """Return at most BATCH imports whose event must be resent, the most overdue first."""
        unclaimed = sa.or_(sources.c.claimed_until.is_(None), sources.c.claimed_until < statement_start())
        due = sa.select(sources.c.job).where(sources.c.due_at <= statement_start(), unclaimed)
        query = force_index(due.order_by(sources.c.due_at).limit(BATCH), sources, "job_source_due_at")
        with self._database.read() as connection:
            ids = connection.scalars(query).all()
        found = [job for job in self.find_all(ids) if job.state == State.IMPORTING]
        if len(found) < len(ids):
            self._delete_orphans(ids)
        return found

    def postpone_import(self, job: Job) -> bool:
        """Claim the sending of a due event; only one of several concurrent callers gets True."""
        return self._reschedule(job, now() + FIRST_RESEND_SECONDS, Step.EVENT_RESENT, sources.c.due_at <= now())

    def send_import_soon(self, job: Job) -> bool:
        """Make the event of an import due immediately, and record that its publication failed."""
        return self._reschedule(job, now(), Step.EVENT_UNSENT)

    def next_import(self, username: str) -> Job | None:
        """Return the import of a user that has waited for a worker for the longest time.

        One whose last attempt failed waits only from the time on at which the next one is due.
        """
        return self._first_waiting(username, sa.or_(sources.c.attempts == 0, sources.c.due_at <= now()))

    def send_next_import_soon(self, username: str) -> bool:
        """Make the event of one more import of a user due immediately, since a place is free for it.

        Concurrent callers have as many places, so each chooses one that is not due yet. One whose last attempt failed
        either pauses or is due already. The history has no step for this: nothing has failed, and no event was sent.
        """
        job = self._first_waiting(username, sa.and_(sources.c.attempts == 0, sources.c.due_at > now()))
        if job is None:
            return False
        waits = sources.c.job == job.id, is_unclaimed_source
        return self._database.change(sa.update(sources).where(*waits).values(due_at=now())) == 1

    def _first_waiting(self, username: str, condition: sa.ColumnElement[bool]) -> Job | None:
        with self._database.read() as connection:
            mine = sources.c.job.in_(arriving_jobs(connection, username)), is_unclaimed_source, condition
            query = force_index(sa.select(sources.c.created_at, sources.c.job).where(*mine), sources, "PRIMARY")
            rows = [tuple(row) for row in connection.execute(query)]
        return self.find(min(rows)[1]) if rows else None

    def _delete_orphans(self, job_ids: Collection[str]) -> None:
        """Delete those of these sources whose job is not an import any more; an older release has cancelled it."""
        imported = sa.select(table.c.id).where(table.c.id == sources.c.job, is_import())
        self._database.change(sa.delete(sources).where(sources.c.job.in_(job_ids), ~imported.exists()))

    def _reschedule(self, job: Job, due_at: Any, step: Step, *conditions: sa.ColumnElement[bool]) -> bool:
        mine = sources.c.job == job.id, is_unclaimed_source, *conditions
        return self._take(sa.update(sources).where(*mine).values(due_at=due_at), job.id, step)

    def _end_import(
        self, job_id: str, condition: sa.ColumnElement[bool], code: str, message: str, step: Step, **entry: Any
    ) -> bool:
        error = {"error_code": code, "error": message[:MAX_MESSAGE_LENGTH]}
        update = self._transition(
            job_id, State.FAILED, is_import(), has_source(condition), **_without_video(job_id), **error
        )

        def end_and_notify(connection: Connection) -> bool:
            if not connection.execute(update).rowcount:
                return False
            forget_source(connection, job_id)
            add_notifications(connection, job_id)
            record(connection, job_id, step, detail=message, **entry)
            return True

        return self._database.transact(end_and_notify)


def _without_video(job_id: str) -> dict[str, Any]:
    """Return the values of a job whose import has ended without a video.

    Its worker deletes what it has stored; if it was killed, cleanup does so once its claim cannot be valid any more.
    """
    claimed_until = sa.select(sources.c.claimed_until).where(sources.c.job == job_id).scalar_subquery()
    return {"ended_at": now(), "video_bytes": None, "percent": 0, "purge_after": sa.func.coalesce(claimed_until, now())}


def count_claimed(connection: Connection, username: str) -> int:
    """Return how many imports of a user have a worker."""
    mine = sources.c.job.in_(arriving_jobs(connection, username)), sources.c.claimed_until > now()
    count = sa.select(sa.func.count()).where(*mine)
    return int(connection.scalar(force_index(count, sources, "PRIMARY")) or 0)


def has_source(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Select jobs, whichever the condition names, if a row of the sources fulfils it."""
    return sa.select(sources.c.job).where(condition).exists()


def forget_source(connection: Connection, job_id: str) -> None:
    """Delete the row of a job's source, and that of what is stored, in the transaction that ends its import."""
    connection.execute(sa.delete(sources).where(sources.c.job == job_id))
    delete_part(connection, job_id)


def read_job(connection: Connection, job_id: str) -> Job:
    """Return a job in the transaction that changed it: an error after the commit would hide the change."""
    return job_from_row(connection.execute(sa.select(*job_columns).where(table.c.id == job_id)).one())
