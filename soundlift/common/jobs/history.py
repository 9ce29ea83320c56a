"""The history of a job: one row for each step, inserted and deleted in the transactions that change the job's row.

Functions of an older release record no steps, and delete jobs without their history.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.engine import Database
from soundlift.common.db.tables import job_history as table
from soundlift.common.db.tables import jobs, notifications
from soundlift.common.jobs.history_entry import HistoryEntry, Step
from soundlift.common.jobs.model import MAX_MESSAGE_LENGTH
from soundlift.common.notifications.model import Channel

FIRST_STEPS = 10  # of a job, which are always kept
LAST_STEPS = 90
ORPHAN_BATCH = 100
# No job can repeat any other step for long without one of these.
REPEATABLE = (
    *(Step.RELEASED, Step.IMPORT_RELEASED, Step.RETRIED, Step.EVENT_RESENT),
    *(Step.WEBHOOK_DELIVERED, Step.WEBHOOK_RELEASED),
)


def take_step(connection: Connection, update: sa.Update, job_id: str, step: Step, **entry: Any) -> bool:
    """Execute the update of a step, record the step with the values of `record`, and return True.

    If the update matches no row, another process acted first, and the result is False.
    """
    taken = connection.execute(update).rowcount > 0
    if taken:
        record(connection, job_id, step, **entry)
    return taken


def record(  # noqa: PLR0913 - each is a column, except the first
    connection: Connection,
    job_id: str,
    step: Step,
    *,
    attempt: sa.ColumnElement[int] | None = None,
    claim: str | None = None,
    detail: str | None = None,
) -> None:
    """Record a step of a job in the transaction that takes it.

    A job that repeats its steps for a day, or that is retried again and again, keeps its first and its last ones.
    """
    text = detail[:MAX_MESSAGE_LENGTH] if detail else None
    row = {"job": job_id, "at": now(), "step": step, "attempt": attempt, "claim": claim, "detail": text}
    connection.execute(sa.insert(table).values(row))
    if step in REPEATABLE:
        _limit_length(connection, job_id)


def attempts_of(job_id: str) -> sa.ColumnElement[int]:
    """Return the number of attempts to convert a job, as a value for a row."""
    return sa.select(jobs.c.attempts).where(jobs.c.id == job_id).scalar_subquery()


def attempts_to_notify(job_id: str, channel: Channel) -> sa.ColumnElement[int]:
    """Return the number of attempts to send a notification, as a value for a row."""
    mine = notifications.c.job == job_id, notifications.c.channel == channel
    return sa.select(notifications.c.attempts).where(*mine).scalar_subquery()


def read_history(connection: Connection, job_id: str) -> list[HistoryEntry]:
    """Return the recorded steps of a job, the first one first."""
    columns = [table.c[name] for name in HistoryEntry.__dataclass_fields__]
    rows = connection.execute(sa.select(*columns).where(table.c.job == job_id).order_by(table.c.id))
    return [HistoryEntry(**row._mapping) for row in rows]


def delete_history(connection: Connection, job_ids: Collection[str]) -> None:
    """Delete the histories of jobs, in the transaction that deletes their rows."""
    connection.execute(sa.delete(table).where(table.c.job.in_(job_ids)))


def delete_orphaned_history(database: Database) -> int:
    """Delete those of the ORPHAN_BATCH oldest steps whose job an older release has deleted; return how many.

    The rows of all other jobs are deleted in time, so every orphan is among the oldest at some time. Raises
    DatabaseUnavailable.
    """
    oldest = sa.select(table.c.id, table.c.job).order_by(table.c.id).limit(ORPHAN_BATCH).subquery()
    orphans = sa.select(oldest.c.id).select_from(oldest.outerjoin(jobs, jobs.c.id == oldest.c.job))
    orphans = orphans.where(jobs.c.id.is_(None))

    def delete_rows(connection: Connection) -> int:
        if not (ids := connection.scalars(orphans).all()):
            return 0
        return connection.execute(sa.delete(table).where(table.c.id.in_(ids))).rowcount

    return database.transact(delete_rows)


def _limit_length(connection: Connection, job_id: str) -> None:
    """Replace the steps between the first and the last ones with one row that says so."""
    ids = connection.scalars(sa.select(table.c.id).where(table.c.job == job_id).order_by(table.c.id)).all()
    if not (between := ids[FIRST_STEPS:-LAST_STEPS]):
        return
    marked = {"step": Step.OMITTED, "attempt": None, "claim": None, "detail": None}
    connection.execute(sa.update(table).where(table.c.id == between[0]).values(marked))
    connection.execute(sa.delete(table).where(table.c.id.in_(between[1:])))
