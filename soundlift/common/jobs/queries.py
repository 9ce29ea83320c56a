"""The queries that find jobs. Each uses an index, so that its time does not grow with the table."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from soundlift.common.db.clock import statement_start
from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.conditions import (
    is_due,
    is_import,
    is_interrupted,
    is_past_retention,
    is_receiving,
    is_unclaimed,
    job_columns,
    job_from_row,
    needs_purge,
)
from soundlift.common.jobs.history import read_history
from soundlift.common.jobs.history_entry import HistoryEntry
from soundlift.common.jobs.model import BATCH, WAITING, Job, State
from soundlift.common.jobs.turns import IN_TURN

UNFINISHED = (State.RECEIVING, State.IMPORTING, *WAITING)


class JobQueries:
    """Queries that find jobs, one or a batch. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, job_id: str) -> Job | None:
        """Return a job by its id."""
        return next(iter(self._select(table.c.id == job_id)), None)

    def find_by_mp3(self, mp3_fid: str) -> Job | None:
        """Return the job that made an audio file."""
        return next(iter(self._select(table.c.mp3_fid == mp3_fid)), None)

    def find_by_video(self, video_fid: str) -> Job | None:
        """Return the job of a video; an adopted job has the video's id."""
        return self.find(video_fid) or next(iter(self._select(table.c.video_fid == video_fid)), None)

    def history(self, job_id: str) -> list[HistoryEntry]:
        """Return the recorded steps of a job, the first one first, until the row of the job is deleted."""
        with self._database.read() as connection:
            return read_history(connection, job_id)

    def next_in_turn(self, limit: int, *, skip: int = 0) -> list[Job]:
        """Return at most `limit` jobs that wait for a worker, in the order in which they are to be converted.

        Those whose worker died are first: they had their turn. `skip` is a number of queued jobs that are left out.
        Each state has its own query, sorted by the index.
        """
        found: list[Job] = []
        for state, offset in ((State.CONVERTING, 0), (State.QUEUED, skip)):
            mine = (table.c.state == state, is_unclaimed())
            found += self._select(*mine, order=IN_TURN, limit=limit, offset=offset, index="job_in_turn")
        return found[:limit]

    def has_waiting(self, count: int) -> bool:
        """Return whether at least `count` jobs are queued; this reads no more index entries than that."""
        query = sa.select(table.c.turn).where(table.c.state == State.QUEUED).order_by(*IN_TURN)
        query = force_index(query.limit(1).offset(count - 1), table, "job_in_turn")
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def due(self) -> list[Job]:
        """Return at most BATCH jobs whose event must be resent, the most overdue first."""
        return self._select(is_due(statement_start()), order=(table.c.resend_at,), limit=BATCH, index="job_resend_at")

    def interrupted(self) -> list[Job]:
        """Return at most BATCH uploads that have not extended their lease for RECEIVE_SECONDS."""
        return self._select(is_interrupted(statement_start()), limit=BATCH, index="job_upload_deadline")

    def past_retention(self, *, retention: int) -> list[Job]:
        """Return at most BATCH jobs whose retention is over."""
        return self._select(is_past_retention(retention, statement_start()), limit=BATCH, index="job_in_state")

    def to_dispose(self) -> list[Job]:
        """Return at most BATCH jobs whose files must be deleted."""
        return self._select(needs_purge(statement_start()), limit=BATCH, index="job_purge_after")

    def count_waiting(self) -> dict[State, tuple[int, float]]:
        """Return the number of jobs in each state that does not last, and the seconds since its first job entered it.

        The queries read only the entries of these jobs in one index, and the rows of those that are being received.
        """
        aggregates = sa.func.count(), statement_start() - sa.func.min(table.c.changed_at)
        waiting = sa.select(table.c.state, *aggregates).where(table.c.state.in_(WAITING)).group_by(table.c.state)
        queries = [waiting]
        for state, condition in ((State.RECEIVING, is_receiving()), (State.IMPORTING, is_import())):
            queries.append(sa.select(sa.literal(state.value), *aggregates).where(condition))
        found: dict[str, tuple[int, float]] = {}
        with self._database.read() as connection:
            for query in queries:
                rows = connection.execute(force_index(query, table, "job_in_state"))
                found |= {state: (count, max(0.0, age)) for state, count, age in rows if count}
        return {state: found.get(state, (0, 0.0)) for state in UNFINISHED}

    def _select(
        self,
        *conditions: sa.ColumnElement[bool],
        order: Any = (),
        limit: int | None = None,
        offset: int = 0,
        index: str = "",
    ) -> list[Job]:
        query = sa.select(*job_columns).where(*conditions).order_by(*order).limit(limit)
        if offset:
            query = query.offset(offset)
        if index:
            query = force_index(query, table, index)
        with self._database.read() as connection:
            return [job_from_row(row) for row in connection.execute(query)]
