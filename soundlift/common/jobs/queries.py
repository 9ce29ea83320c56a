"""The queries for jobs. Each uses an index, so that its time does not grow with the table."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from soundlift.common.db.clock import statement_start
from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.conditions import (
    is_due,
    is_interrupted,
    is_past_retention,
    job_columns,
    job_from_row,
    needs_purge,
)
from soundlift.common.jobs.model import BATCH, HIDDEN, Job


class JobQueries:
    """Queries that find and list jobs. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, job_id: str) -> Job | None:
        """Return a job by its id."""
        return next(iter(self._select(table.c.id == job_id)), None)

    def find_by_mp3(self, mp3_fid: str) -> Job | None:
        """Return the job that made an MP3."""
        return next(iter(self._select(table.c.mp3_fid == mp3_fid)), None)

    def find_by_video(self, video_fid: str) -> Job | None:
        """Return the job of a video; an adopted job has the video's id."""
        return self.find(video_fid) or next(iter(self._select(table.c.video_fid == video_fid)), None)

    def page(self, username: str | None, *, after: str | None = None, limit: int = 50) -> list[Job]:
        """Return the jobs of a user, or of all users, newest first, starting after the job `after`."""
        conditions: list[sa.ColumnElement[bool]] = [table.c.state.not_in(HIDDEN)]
        if username is not None:
            conditions.append(table.c.username == username)
        if after is not None:
            if (last := self.find(after)) is None:
                return []
            # An upper bound plus an exception to it: MariaDB uses no index for `<` between pairs of columns.
            conditions.append(table.c.created_at <= last.created_at)
            conditions.append(sa.or_(table.c.created_at < last.created_at, table.c.id < after))
        newest_first = (table.c.created_at.desc(), table.c.id.desc())
        index = "job_by_age" if username is None else "job_of_user"
        return self._select(*conditions, order=newest_first, limit=limit, index=index)

    def due(self) -> list[Job]:
        """Return at most BATCH jobs whose event must be resent, the most overdue first."""
        return self._select(is_due(statement_start()), order=(table.c.resend_at,), limit=BATCH, index="job_resend_at")

    def interrupted(self) -> list[Job]:
        """Return at most BATCH uploads that have received no bytes for RECEIVE_SECONDS."""
        return self._select(is_interrupted(statement_start()), limit=BATCH, index="job_upload_deadline")

    def past_retention(self, *, retention: int) -> list[Job]:
        """Return at most BATCH jobs whose retention is over."""
        return self._select(is_past_retention(retention, statement_start()), limit=BATCH, index="job_in_state")

    def to_dispose(self) -> list[Job]:
        """Return at most BATCH jobs whose files must be deleted."""
        return self._select(needs_purge(statement_start()), limit=BATCH, index="job_purge_after")

    def _select(
        self,
        *conditions: sa.ColumnElement[bool],
        order: Any = (),
        limit: int | None = None,
        index: str = "",
    ) -> list[Job]:
        query = sa.select(*job_columns).where(*conditions).order_by(*order).limit(limit)
        if index:
            query = force_index(query, table, index)
        with self._database.read() as connection:
            return [job_from_row(row) for row in connection.execute(query)]
