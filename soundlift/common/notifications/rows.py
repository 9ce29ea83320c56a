"""The notifications of a job, including those to webhooks, as part of the transactions that change the job."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs
from soundlift.common.db.tables import notifications as table
from soundlift.common.notifications.model import Channel
from soundlift.common.webhooks.rows import add_deliveries, delete_deliveries, has_pending_delivery


def add_notifications(connection: Connection, job_id: str) -> None:
    """Add a mail, and a delivery to each webhook, for a job that ended; each is due immediately.

    If the event is lost, the next cleanup therefore resends it. A repeated event is harmless.
    """
    connection.execute(sa.insert(table).values(job=job_id, channel=Channel.MAIL, due_at=now(), attempts=0))
    add_deliveries(connection, job_id)


def delete_notifications(connection: Connection, job_ids: Collection[str]) -> None:
    """Delete the notifications of jobs, pending or not."""
    connection.execute(sa.delete(table).where(table.c.job.in_(job_ids)))
    delete_deliveries(connection, job_ids)


def has_pending_notification() -> sa.ColumnElement[bool]:
    """Return a condition that selects jobs with a notification that is neither delivered nor given up.

    With EXISTS, MariaDB would read all pending notifications instead of the job's (exists-to-in optimization).
    """
    pending = sa.select(table.c.job).where(table.c.job == jobs.c.id, table.c.due_at.is_not(None))
    by_key = force_index(pending, table, "PRIMARY").limit(1).correlate(jobs)
    return sa.or_(by_key.scalar_subquery().is_not(None), has_pending_delivery())
