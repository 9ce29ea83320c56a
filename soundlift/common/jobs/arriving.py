"""The jobs of a user whose video is arriving, inside the transactions of others."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs
from soundlift.common.jobs.model import State


def arriving_jobs(connection: Connection, username: str) -> Sequence[str]:
    """Return the ids of the jobs of a user whose video is arriving by an upload or an import, which are few.

    In this state, `purge_after` is NULL; the condition is for SQLite, which then reads the index of the quota.
    """
    mine = (jobs.c.username == username, jobs.c.state == State.RECEIVING, jobs.c.purge_after.is_(None))
    return connection.scalars(force_index(sa.select(jobs.c.id).where(*mine), jobs, "job_in_quota")).all()
