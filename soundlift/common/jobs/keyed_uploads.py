"""The steps of uploads that have a key (Idempotency-Key), so that a repeated upload makes no second job.

The row of a key is inserted with that of its job, and deleted when the upload breaks off.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.tables import jobs as table
from soundlift.common.db.tables import upload_keys as keys
from soundlift.common.errors import Busy, UploadInProgress
from soundlift.common.jobs.conditions import is_receiving, job_columns, job_from_row
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.model import RECEIVE_SECONDS, UPLOAD_LEASE_SECONDS, Job, State
from soundlift.common.jobs.upload_keys import UploadKey, insert_key
from soundlift.common.jobs.uploads import UploadSteps

KEEP_KEYS_SECONDS = 24 * 3600
DELETE_BATCH = 1000
MAX_CANCELLED_KEYS = 1000  # of one user, in KEEP_KEYS_SECONDS
_lease_seconds = table.c.upload_deadline - (RECEIVE_SECONDS - UPLOAD_LEASE_SECONDS) - now()


@dataclass(frozen=True)
class KeyedUpload:
    """The upload that a key belongs to.

    `job` is None if the upload was cancelled before it began, or its row does not exist any more. `fingerprint` is None
    in the first of these cases. `lease_seconds` is when the lease of an upload in progress is over.
    """

    fingerprint: str | None
    job: Job | None
    lease_seconds: float


class KeyedUploadSteps(UploadSteps):
    """The steps of uploads with a key. Every method raises DatabaseUnavailable."""

    def find_upload(self, key: UploadKey) -> KeyedUpload | None:
        """Return the upload that a key belongs to, if there is one."""
        columns = (keys.c.fingerprint, _lease_seconds.label("lease_seconds"), *job_columns)
        # One statement: the job must not be of a later moment than the key, which may be deleted and used again.
        query = sa.select(*columns).select_from(keys.outerjoin(table, keys.c.job == table.c.id))
        with self._database.read() as connection:
            row = connection.execute(query.where(keys.c.id == key.id)).one_or_none()
        if row is None:
            return None
        job = job_from_row(row) if row.id is not None else None
        return KeyedUpload(row.fingerprint, job, row.lease_seconds or 0.0)

    def take_over(self, job: Job) -> bool:
        """Move receiving → deleted, if the lease of the upload is over; its key can be used again."""
        is_over = sa.and_(is_receiving(), _lease_seconds <= 0)
        return self._break_off(job.id, Step.UPLOAD_REPLACED, is_over)

    def cancel_upload(self, job_id: str) -> bool:
        """Move receiving → deleted; its key cannot be used again."""
        update = self._transition(job_id, State.DELETED, is_receiving(), upload_deadline=None, purge_after=now())
        return self._take(update, job_id, Step.UPLOAD_CANCELLED)

    def refuse_upload(self, key: UploadKey) -> bool:
        """Let a key never be used, unless it has been already; raises Busy if the user has cancelled too many."""
        cancelled = sa.select(sa.func.count()).where(keys.c.username == key.username, keys.c.job.is_(None))

        def check_and_insert(connection: Connection) -> None:
            if (connection.scalar(cancelled) or 0) >= MAX_CANCELLED_KEYS:
                raise Busy("You have cancelled too many uploads before they began; wait a while.", retry_after=3600)
            insert_key(connection, UploadKey(key.username, key.text), None)

        try:
            self._database.transact(check_and_insert)
        except UploadInProgress:
            return False
        return True

    def delete_old_keys(self) -> int:
        """Delete at most DELETE_BATCH keys of uploads that began KEEP_KEYS_SECONDS ago, and have ended."""
        in_progress = sa.exists().where(table.c.id == keys.c.job, table.c.state == State.RECEIVING)
        old = sa.select(keys.c.id).where(keys.c.created_at < statement_start() - KEEP_KEYS_SECONDS, ~in_progress)

        def delete_rows(connection: Connection) -> int:
            if not (ids := connection.scalars(old.limit(DELETE_BATCH)).all()):
                return 0
            return connection.execute(sa.delete(keys).where(keys.c.id.in_(ids))).rowcount

        return self._database.transact(delete_rows)
