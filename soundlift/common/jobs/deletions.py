"""The deletion of jobs, which is recorded for as long as a cursor may refer to them; see store.py."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import deletions
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.conditions import is_row_expired
from soundlift.common.jobs.cursor import KEEP_DELETIONS_SECONDS
from soundlift.common.jobs.history import delete_history, record
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.keyed_uploads import KeyedUploadSteps
from soundlift.common.jobs.model import ENDED, State
from soundlift.common.notifications.rows import delete_notifications

DELETE_BATCH = 1000


class DeletionSteps(KeyedUploadSteps):
    """The steps that delete jobs and the records of deleted ones. Every method raises DatabaseUnavailable."""

    def delete(self, job_id: str) -> bool:
        """Move any end → deleted, record the deletion, and delete the job's notifications, pending or not."""
        update = self._transition(job_id, State.DELETED, table.c.state.in_(ENDED), purge_after=now())

        def delete_both(connection: Connection) -> bool:
            deleted = take_step_and_drop_notifications(connection, update, job_id, Step.DELETED)
            if deleted:
                _record_deletions(connection, [job_id])
            return deleted

        return self._database.transact(delete_both)

    def delete_old_rows(self, *, retention: int) -> int:
        """Delete at most DELETE_BATCH rows of jobs that expired `retention` seconds ago and have no files."""
        expired = sa.select(table.c.id).where(is_row_expired(retention, statement_start())).limit(DELETE_BATCH)
        # Otherwise, a concurrent run would delete the records of this one, whose rows it would not find any more.
        ids = force_index(expired, table, "job_in_state").with_for_update()

        def delete_rows(connection: Connection) -> int:
            if not (job_ids := connection.scalars(ids).all()):
                return 0
            delete_notifications(connection, job_ids)
            delete_history(connection, job_ids)
            _record_deletions(connection, job_ids)
            return connection.execute(sa.delete(table).where(table.c.id.in_(job_ids))).rowcount

        return self._database.transact(delete_rows)

    def delete_old_deletions(self) -> int:
        """Delete at most DELETE_BATCH records of deletions that no valid cursor can refer to."""
        old = sa.select(deletions.c.job).where(deletions.c.updated_at < statement_start() - KEEP_DELETIONS_SECONDS)

        def delete_rows(connection: Connection) -> int:
            if not (job_ids := connection.scalars(old.limit(DELETE_BATCH)).all()):
                return 0
            return connection.execute(sa.delete(deletions).where(deletions.c.job.in_(job_ids))).rowcount

        return self._database.transact(delete_rows)


def take_step_and_drop_notifications(
    connection: Connection, update: sa.Update, job_id: str, step: Step, **entry: Any
) -> bool:
    """Take a step as `take_step` does, and delete the notifications of the job's earlier outcome.

    Rows are locked in the order of the steps of notifications, which change the history last, to avoid deadlocks.
    """
    taken = connection.execute(update).rowcount > 0
    if taken:
        delete_notifications(connection, [job_id])
        record(connection, job_id, step, **entry)
    return taken


def _record_deletions(connection: Connection, job_ids: Collection[str]) -> None:
    """Record that jobs whose rows still exist are deleted.

    A job that another program's video created has the video's id, so it may be deleted again after it was recreated.
    """
    connection.execute(sa.delete(deletions).where(deletions.c.job.in_(job_ids)))
    rows = sa.select(table.c.id, table.c.username, now()).where(table.c.id.in_(job_ids))
    connection.execute(sa.insert(deletions).from_select(["job", "username", "updated_at"], rows))
