"""The record of deleted jobs as part of the transactions that delete them, so that lists of changes can name them."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.tables import deletions, jobs


def record_deletions(connection: Connection, job_ids: Collection[str]) -> None:
    """Record that jobs whose rows still exist are deleted.

    A job that another program's video created has the video's id, so it may be deleted again after it was recreated.
    """
    connection.execute(sa.delete(deletions).where(deletions.c.job.in_(job_ids)))
    rows = sa.select(jobs.c.id, jobs.c.username, now()).where(jobs.c.id.in_(job_ids))
    connection.execute(sa.insert(deletions).from_select(["job", "username", "updated_at"], rows))
