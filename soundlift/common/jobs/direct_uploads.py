"""The rows of direct uploads: videos that clients send to the media store themselves, in parts of one size.

No process works on such an upload between two requests, so each request postpones its deadline. See store.py for the
state machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.engine import Database
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.conditions import job_columns, job_from_row
from soundlift.common.jobs.model import RECEIVE_SECONDS, Job, State


@dataclass(frozen=True)
class DirectUpload:
    """A direct upload of `size` bytes, and its job; `reference` is the store's, None until it has begun there."""

    job: Job
    part_bytes: int
    reference: str | None

    @property
    def size(self) -> int:
        """Return the size of the video in bytes, as announced."""
        return self.job.video_bytes or 0

    @property
    def part_count(self) -> int:
        """Return the number of parts, which are numbered from 1."""
        return -(-self.size // self.part_bytes)

    def part_size(self, number: int) -> int:
        """Return the size of a part in bytes; only the last one is shorter than the others."""
        return min(self.part_bytes, self.size - (number - 1) * self.part_bytes)


class DirectUploadRows:
    """The steps of direct uploads that other uploads do not have. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, job_id: str) -> DirectUpload | None:
        """Return an upload, even one that has ended; None if the job does not exist, or is of another upload."""
        query = sa.select(*[*job_columns, *_columns]).where(table.c.id == job_id, table.c.part_bytes.is_not(None))
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else DirectUpload(job_from_row(row), row.part_bytes, row.direct_upload)

    def begin(self, job_id: str, reference: str) -> str | None:
        """Keep the store's reference unless there is one already, and return the one that is kept.

        Returns None if the upload has ended.
        """
        receiving = sa.and_(table.c.id == job_id, table.c.state == State.RECEIVING)
        kept = sa.func.coalesce(table.c.direct_upload, reference)

        def keep(connection: Connection) -> str | None:
            connection.execute(sa.update(table).where(receiving).values(direct_upload=kept))
            return connection.scalar(sa.select(table.c.direct_upload).where(receiving))

        return self._database.transact(keep)

    def extend(self, job_id: str, *, longest: int) -> bool:
        """Postpone the deadline of an upload that began at most `longest` seconds ago; return whether it did."""
        end = table.c.created_at + longest
        deadline = sa.case((now() + RECEIVE_SECONDS < end, now() + RECEIVE_SECONDS), else_=end)
        receiving = sa.and_(table.c.id == job_id, table.c.state == State.RECEIVING, end > now())
        return self._database.change(sa.update(table).where(receiving).values(upload_deadline=deadline)) == 1


_columns = (table.c.part_bytes, table.c.direct_upload)
