"""The rows of resumable uploads: how much of each is stored, and which request may continue it.

Each belongs to a job in the state RECEIVING, whose row counts for the quota of its owner, holds the key, and names the
file; the upload has the job's id. Whoever moves the job on ends the upload. The row stays until `expires_at`, so that a
client whose last response was lost learns the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.batches import delete_in_batches
from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs
from soundlift.common.db.tables import resumable_uploads as table
from soundlift.common.errors import TooManyUnfinishedUploads, UploadSuperseded
from soundlift.common.jobs.arriving import arriving_jobs
from soundlift.common.jobs.conditions import job_columns, job_from_row
from soundlift.common.jobs.model import BATCH, HIDDEN, Job, State
from soundlift.common.jobs.uploads import InsertMore

DELETE_BATCH = 1000
SETTLE_SECONDS = 60  # in which the request that received the last bytes makes the job itself
_own_columns = [column.label(f"upload_{column.name}") for column in table.c]
_joined = sa.select(*_own_columns, *job_columns).select_from(table.outerjoin(jobs, jobs.c.id == table.c.id))


@dataclass(frozen=True)
class ResumableUpload:
    """A row as it was read, with its job; `job` is None if its row was deleted.

    `length` and `received` are in bytes. `beginning` is the first bytes while the store has none, and `state` is what
    the store needs to continue.
    """

    id: str
    username: str
    length: int | None
    received: int
    epoch: int
    beginning: bytes | None
    state: str | None
    metadata: str
    expires_at: float
    job: Job | None

    @property
    def arrived(self) -> bool:
        """Return whether all bytes are stored."""
        return self.received == self.length

    @property
    def finished_job(self) -> Job | None:
        """Return the job that the upload has made, if it has."""
        return None if self.job is None or self.job.state in HIDDEN else self.job


class ResumableUploads:
    """The rows in the database. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, *, keep_seconds: int) -> None:
        """Keep uploads for `keep_seconds` after the last bytes that arrived."""
        self._database = database
        self._keep_seconds = keep_seconds

    def inserted(self, *, username: str, length: int | None, metadata: str, limit: int) -> InsertMore:
        """Return what inserts the row of a new upload with that of its job, under the lock of the user.

        It raises TooManyUnfinishedUploads if the user has more than `limit` of them; 0 means no limit.
        """

        def insert(connection: Connection, job_id: str) -> None:
            if limit and (count := _count_unfinished(connection, username)) >= limit:
                raise TooManyUnfinishedUploads(
                    f"You have {count} unfinished uploads, and may have at most {limit}. Continue or delete one: "
                    "GET /upload/files lists them."
                )
            row = {"id": job_id, "username": username, "length": length, "metadata": metadata}
            more = {"received": 0, "epoch": 1, "expires_at": now() + self._keep_seconds}
            connection.execute(sa.insert(table).values(row | more))

        return insert

    def find(self, upload_id: str) -> ResumableUpload | None:
        """Return an upload without taking it over."""
        with self._database.read() as connection:
            return _read(connection, upload_id)

    def unfinished(self, username: str) -> list[ResumableUpload]:
        """Return at most BATCH unfinished uploads of a user, those that received bytes last first."""
        with self._database.read() as connection:
            theirs = _joined.where(table.c.id.in_(arriving_jobs(connection, username)), table.c.username == username)
            query = theirs.limit(BATCH)
            query = force_index(query, table, "PRIMARY")
            found = [_from_row(row) for row in connection.execute(query)]
        return sorted(found, key=lambda upload: upload.expires_at, reverse=True)

    def take(self, upload_id: str, username: str, *, offset: int | None = None) -> ResumableUpload | None:
        """Raise the epoch of a user's upload, so that no earlier request can write any more, and return the row.

        The epoch remains as it is if the upload does not have the given offset.
        """
        at_offset = sa.true() if offset is None else table.c.received == offset
        mine = sa.and_(table.c.id == upload_id, table.c.username == username)
        update = sa.update(table).where(mine, at_offset).values(epoch=table.c.epoch + 1)

        def raise_and_read(connection: Connection) -> ResumableUpload | None:
            connection.execute(update)
            upload = _read(connection, upload_id)
            return None if upload is None or upload.username != username else upload

        return self._database.transact(raise_and_read)

    def set_length(self, upload: ResumableUpload, length: int) -> None:
        """Set the length of an upload that was begun without; raises UploadSuperseded."""
        self._change(upload, length=length)

    def save_state(self, upload: ResumableUpload, state: str) -> None:
        """Set the state of the store without the offset; raises UploadSuperseded."""
        self._change(upload, state=state.encode())

    def save_beginning(self, upload: ResumableUpload, beginning: bytes) -> None:
        """Set the first bytes, of which the store has none yet; raises UploadSuperseded."""
        self._change(upload, received=len(beginning), beginning=beginning)

    def touch(self, upload: ResumableUpload) -> None:
        """Postpone the time at which an upload expires; raises UploadSuperseded."""
        self._change(upload)

    def commit(self, upload: ResumableUpload, *, received: int, state: str) -> None:
        """Record that bytes are stored, from which moment on they are never lost; raises UploadSuperseded.

        The length is recorded with the last ones, since the store must know which these are.
        """
        values = {"received": received, "state": state.encode(), "beginning": None, "arrived_at": None}
        if received == upload.length:
            values |= {"length": upload.length, "arrived_at": now()}
        self._change(upload, **values)

    def settle(self, upload_id: str) -> None:
        """Record that an upload that has arrived has its job, or never will."""
        self._database.change(sa.update(table).where(table.c.id == upload_id).values(arrived_at=None))

    def postpone(self, upload_id: str) -> None:
        """Put an upload behind all others that are unsettled, unless it has been settled meanwhile."""
        unsettled = sa.and_(table.c.id == upload_id, table.c.arrived_at.is_not(None))
        self._database.change(sa.update(table).where(unsettled).values(arrived_at=now()))

    def unsettled(self) -> list[ResumableUpload]:
        """Return at most BATCH uploads with all bytes, whose request has died before it recorded the job; oldest first.

        One that was postponed is left out for a while.
        """
        query = _joined.where(table.c.arrived_at < statement_start() - SETTLE_SECONDS)
        query = query.order_by(table.c.arrived_at).limit(BATCH)
        with self._database.read() as connection:
            return [_from_row(row) for row in connection.execute(query)]

    def delete_expired(self) -> int:
        """Delete the rows of uploads that expired, whose job is not in the state RECEIVING any more."""
        receiving = sa.exists().where(jobs.c.id == table.c.id, jobs.c.state == State.RECEIVING)
        expired = sa.select(table.c.id).where(table.c.expires_at < statement_start(), ~receiving).limit(DELETE_BATCH)

        def delete_rows(connection: Connection) -> int:
            if not (ids := connection.scalars(expired).all()):
                return 0
            return connection.execute(sa.delete(table).where(table.c.id.in_(ids))).rowcount

        return delete_in_batches(lambda: self._database.transact(delete_rows), size=DELETE_BATCH)

    def _change(self, upload: ResumableUpload, **values: Any) -> None:
        """Change the row of an upload while it may be written, and postpone the time at which it expires."""
        expires_at = now() + self._keep_seconds
        receiving = sa.and_(jobs.c.id == upload.id, jobs.c.state == State.RECEIVING)
        extend = sa.update(jobs).where(receiving).values(upload_deadline=expires_at)
        mine = sa.and_(table.c.id == upload.id, table.c.epoch == upload.epoch)
        change = sa.update(table).where(mine).values(expires_at=expires_at, **values)

        def change_both(connection: Connection) -> None:
            if not (connection.execute(extend).rowcount and connection.execute(change).rowcount):
                raise UploadSuperseded

        self._database.transact(change_both)


def _count_unfinished(connection: Connection, username: str) -> int:
    # Their imports have rows, too, which belong to nobody.
    theirs = table.c.id.in_(arriving_jobs(connection, username)), table.c.username == username
    unfinished = sa.select(sa.func.count()).where(*theirs)
    return int(connection.scalar(force_index(unfinished, table, "PRIMARY")) or 0)


def _read(connection: Connection, upload_id: str) -> ResumableUpload | None:
    row = connection.execute(_joined.where(table.c.id == upload_id)).one_or_none()
    return None if row is None else _from_row(row)


def _from_row(row: sa.Row[Any]) -> ResumableUpload:
    values = {column.name: row._mapping[f"upload_{column.name}"] for column in table.c if column.name != "arrived_at"}
    state = values.pop("state")
    job = None if row.id is None else job_from_row(row)
    return ResumableUpload(**values, state=None if state is None else state.decode(), job=job)
