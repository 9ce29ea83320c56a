"""The queries for lists of jobs: pages, searches, and what has changed. Each reads a bounded part of an index."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from soundlift.common.db.clock import statement_start
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import deletions, job_sources
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.conditions import is_listed, state_column
from soundlift.common.jobs.cursor import Update
from soundlift.common.jobs.model import HIDDEN, Job, State
from soundlift.common.jobs.queries import JobQueries

SEARCH_ROWS = 5000  # maximum number of jobs that one search looks at
CHUNK_ROWS = 200
POSITION = re.compile(r"([0-9a-f]{24})@([0-9]{1,12}\.[0-9]{1,9})")
NEWEST_FIRST = (table.c.created_at.desc(), table.c.id.desc())


@dataclass(frozen=True)
class Search:
    """What the jobs of a search have in common: a part of their file names, in any case, and their states."""

    text: str = ""
    states: Collection[State] = ()

    def finds(self, file_name: str, state: str) -> bool:
        """Return whether a job with this file name and state belongs to the result."""
        return (not self.states or state in self.states) and self._folded_text in _folded(file_name)

    @cached_property
    def _folded_text(self) -> str:
        return _folded(self.text)


def _folded(text: str) -> str:
    """Return a text for comparison without regard to case or to the form of accents (Unicode, section 3.13)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def position_of(job: Job) -> str:
    """Return the place of a job in a list, which is valid even after the job has been deleted."""
    return _position(job.id, job.created_at)


def _position(job_id: str, created_at: float) -> str:
    return f"{job_id}@{created_at!r}"


class JobLists(JobQueries):
    """Queries that list jobs. Every method raises DatabaseUnavailable."""

    def page(self, username: str | None, *, after: str | None = None, limit: int = 50) -> list[Job]:
        """Return the jobs of a user, or of all users, newest first, starting after a job or its position."""
        conditions = self._listed(username, after)
        if conditions is None:
            return []
        return self._select(*conditions, order=NEWEST_FIRST, limit=limit, index=_index_by_age(username))

    def search(
        self, username: str | None, search: Search, *, after: str | None = None, limit: int = 50
    ) -> tuple[list[Job], str | None]:
        """Return jobs as `page` does, but only those of a search, and the position to continue at, if there are more.

        One call looks at SEARCH_ROWS jobs, so it may return fewer than `limit`, or none, together with a position.
        The comparison is not SQL because SQLite's LOWER changes ASCII only.
        """
        found: list[str] = []
        position = None
        for looked, row in enumerate(self._walk(username, after), start=1):
            if search.finds(row.file_name, row.state):
                found.append(row.id)
            if len(found) >= max(1, limit) or looked == SEARCH_ROWS:
                position = _position(row.id, row.created_at)
                break
        return self.find_all(found), position

    def _walk(self, username: str | None, after: str | None) -> Iterator[sa.Row[Any]]:
        """Yield the jobs of a list, reading CHUNK_ROWS at a time."""
        columns: list[Any] = [table.c.id, table.c.created_at, state_column.label("state"), table.c.file_name]
        while (conditions := self._listed(username, after)) is not None:
            query = sa.select(*columns).where(*conditions).order_by(*NEWEST_FIRST).limit(CHUNK_ROWS)
            with self._database.read() as connection:
                rows = connection.execute(force_index(query, table, _index_by_age(username))).all()
            yield from rows
            if len(rows) < CHUNK_ROWS:
                return
            after = _position(rows[-1].id, rows[-1].created_at)

    def find_all(self, job_ids: Iterable[str]) -> list[Job]:
        """Return the jobs with these ids in the same order, without those that are hidden or do not exist."""
        ids = list(dict.fromkeys(job_ids))
        if not ids:
            return []
        found = {job.id: job for job in self._select(table.c.id.in_(ids), is_listed(), index="PRIMARY")}
        return [found[job_id] for job_id in ids if job_id in found]

    def waveform(self, job_id: str) -> bytes | None:
        """Return the peaks of a job's audio, one a byte, 255 for full scale; None if they are unknown."""
        with self._database.read() as connection:
            peaks: bytes | None = connection.scalar(sa.select(table.c.waveform).where(table.c.id == job_id))
        return peaks

    def moment(self) -> float:
        """Return the current time of the database, in seconds since 1970."""
        with self._database.read() as connection:
            return float(connection.scalar(sa.select(statement_start())) or 0)

    def updates(self, username: str | None, *, since: float) -> list[Update]:
        """Return the last update of each job of a user, or of all users, that was updated or deleted since a time."""
        suffix = "" if username is None else "_of_user"
        changed = _updated(table.c.id, table.c.updated_at, username, since, deleted=False)
        changed = force_index(changed.where(_is_listed_by_index()), table, f"job_update{suffix}")
        deleted = _updated(deletions.c.job, deletions.c.updated_at, username, since, deleted=True)
        deleted = force_index(deleted, deletions, f"deletion_update{suffix}")
        with self._database.read() as connection:
            rows = connection.execute(sa.union_all(changed, deleted)).all()
        return [Update(job_id, at, bool(is_deleted)) for job_id, at, is_deleted in rows]

    def _listed(self, username: str | None, after: str | None) -> list[sa.ColumnElement[bool]] | None:
        """Return the conditions for a part of a list; None if the job that it starts after is unknown."""
        conditions: list[sa.ColumnElement[bool]] = [is_listed()]
        if username is not None:
            conditions.append(table.c.username == username)
        if after is not None:
            if (position := self._read_position(after)) is None:
                return None
            job_id, created_at = position
            # An upper bound plus an exception to it: MariaDB uses no index for `<` between pairs of columns.
            conditions.append(table.c.created_at <= created_at)
            conditions.append(sa.or_(table.c.created_at < created_at, table.c.id < job_id))
        return conditions

    def _read_position(self, after: str) -> tuple[str, float] | None:
        """Return the id and the time of a job, or of one that was listed earlier."""
        if match := POSITION.fullmatch(after):
            return match[1], float(match[2])
        last = self.find(after)
        return (last.id, last.created_at) if last else None


def _is_listed_by_index() -> sa.ColumnElement[bool]:
    """Select jobs that their owner sees, by columns of the indexes for updates, and by the imports in progress."""
    source = sa.select(job_sources.c.job).where(job_sources.c.job == table.c.id)
    is_import = source.limit(1).correlate(table).scalar_subquery().is_not(None)
    return sa.or_(table.c.state.not_in(HIDDEN), sa.and_(table.c.state == State.RECEIVING, is_import))


def _updated(
    job_id: sa.Column[str], updated_at: sa.Column[float], username: str | None, since: float, *, deleted: bool
) -> sa.Select[Any]:
    columns: list[Any] = [job_id, updated_at, sa.literal(int(deleted)).label("deleted")]
    query = sa.select(*columns).where(updated_at >= since)
    return query if username is None else query.where(job_id.table.c.username == username)


def _index_by_age(username: str | None) -> str:
    return "job_by_age" if username is None else "job_of_user"
