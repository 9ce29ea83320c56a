"""The lock of one user, for transactions that read what a user has and change it."""

from __future__ import annotations

import zlib

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.tables import UPLOAD_LOCKS, jobs, upload_locks
from soundlift.common.errors import DatabaseUnavailable


def lock_user(connection: Connection, username: str) -> None:
    """Wait for all other transactions that hold the lock of this user, and hold it until this one ends.

    A token may outlive its account, so there may be no user row to lock. Instead, each row of a fixed set serves as
    the lock for some of the users. SQLite has only one writer at a time anyway.
    """
    number = zlib.crc32(username.encode()) % UPLOAD_LOCKS
    query = sa.select(upload_locks.c.number).where(upload_locks.c.number == number).with_for_update()
    if connection.scalar(query) is None:
        raise DatabaseUnavailable("The table upload_lock is not complete: run `soundlift migrate`.")


def lock_owner(connection: Connection, job_id: str) -> str | None:
    """Hold the lock of a job's owner until the transaction ends, and return the owner; None if there is no such job."""
    username = connection.scalar(sa.select(jobs.c.username).where(jobs.c.id == job_id))
    if username is not None:
        lock_user(connection, username)
    return username
