"""Whether functions are working, for operations that must not run at the same time."""

from __future__ import annotations

import sqlalchemy as sa

from soundlift.common.db.clock import now
from soundlift.common.db.engine import Database
from soundlift.common.db.tables import job_sources as sources
from soundlift.common.db.tables import jobs as table
from soundlift.common.db.tables import resumable_uploads
from soundlift.common.jobs.model import RECEIVE_SECONDS, UPLOAD_LEASE_SECONDS, State

_lease_end = table.c.upload_deadline - (RECEIVE_SECONDS - UPLOAD_LEASE_SECONDS)


def has_activity(database: Database) -> bool:
    """Return whether an upload, an import or a conversion has extended its lease lately; raises DatabaseUnavailable."""
    is_resumable = sa.exists().where(resumable_uploads.c.id == table.c.id)  # it may be paused for a day
    receiving = sa.and_(table.c.state == State.RECEIVING, _lease_end > now(), ~is_resumable)
    converting = sa.and_(table.c.state == State.CONVERTING, table.c.claimed_until > now())
    queries = [sa.select(table.c.id).where(condition) for condition in (receiving, converting)]
    queries.append(sa.select(sources.c.job).where(sources.c.claimed_until > now()))
    with database.read() as connection:
        return any(connection.scalar(query.limit(1)) is not None for query in queries)
