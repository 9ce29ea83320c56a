"""What one user has: jobs in progress, and bytes in the media store.

Both are measured on the job table itself, so no counter can drift from it. A measurement and the change that it
permits are one transaction under one lock, so parallel uploads on any number of replicas cannot exceed a limit
together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs as table
from soundlift.common.errors import StorageFull, TooManyJobs
from soundlift.common.jobs.conditions import may_expire
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import MAX_DATE, RECEIVE_SECONDS, WAITING, State
from soundlift.common.jobs.rates import admit_upload
from soundlift.common.jobs.user_lock import lock_user

IN_FLIGHT = (State.RECEIVING, *WAITING)
AWAITING_CLEANUP = (State.DELETED, State.EXPIRED)  # cleanup has yet to delete their files
RETRY_JOBS_SECONDS = 30
RETRY_CLEANUP_SECONDS = 60  # cleanup runs each minute
INTERRUPTED = (
    f"An interrupted upload counts for up to {RECEIVE_SECONDS // 60} minutes. A resumable one counts until it "
    "expires or is deleted."
)
UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


@dataclass(frozen=True)
class Reservation:
    """Bytes that count for an upload before they are stored, and the limits of its owner."""

    size: int
    limits: Limits


@dataclass(frozen=True)
class Usage:
    """One user's current jobs and stored bytes.

    The jobs include `uploads` that are still in progress. The stored bytes include `awaiting_cleanup_bytes`, which are
    about to be deleted, and `upload_bytes`, which belong to uploads in progress.
    """

    jobs: int
    stored_bytes: int
    awaiting_cleanup_bytes: int
    uploads: int
    upload_bytes: int


def admit_job(connection: Connection, username: str, reservation: Reservation) -> None:
    """Admit a new upload of a user in this transaction.

    Raises TooManyJobs, StorageFull, TooManyUploads or TooManyMinutes.
    """
    usage = admit_retry(connection, username, reservation.limits)
    _check_bytes(connection, username, usage, reservation)
    admit_upload(connection, username, reservation.limits)


def admit_retry(connection: Connection, username: str, limits: Limits) -> Usage:
    """Admit one more job in progress in this transaction, and return the usage without it; raises TooManyJobs.

    The bytes of a job that is retried are counted already.
    """
    lock_user(connection, username)
    usage = read_usage(connection, username)
    if limits.jobs and usage.jobs >= limits.jobs:
        raise _too_many_jobs(connection, username, usage, limits.jobs)
    return usage


def admit_bytes(connection: Connection, job_id: str, username: str, reservation: Reservation) -> None:
    """Admit more bytes of an upload in this transaction; raises StorageFull.

    Waiting cannot free the upload's own bytes, so they are not counted among those of uploads in progress.
    """
    lock_user(connection, username)
    usage = read_usage(connection, username)
    mine = sa.and_(table.c.id == job_id, table.c.state == State.RECEIVING)
    own = connection.scalar(sa.select(_size).where(mine)) or 0
    _check_bytes(connection, username, replace(usage, upload_bytes=usage.upload_bytes - own), reservation)


def read_usage(connection: Connection, username: str) -> Usage:
    """Return a user's usage."""
    return usage_by_user(connection, [username])[username]


def usage_by_user(connection: Connection, usernames: Collection[str]) -> dict[str, Usage]:
    """Return the usage of each user, reading only the index entries of these users' jobs that have files.

    The two halves are separate queries so that each reads one range of the index: an OR of both would read the entries
    of all expired jobs, which may be kept for a month.
    """
    theirs = sa.select(table.c.username, table.c.state, _size).where(table.c.username.in_(usernames))
    stored = theirs.where(table.c.state.in_([state for state in State if state != State.EXPIRED]))
    expired = theirs.where(table.c.state == State.EXPIRED, table.c.purge_after.is_not(None))
    halves = (force_index(half, table, "job_in_quota") for half in (stored, expired))
    rows = sa.union_all(*halves).subquery()
    key = (rows.c.username, rows.c.state)
    sums = sa.select(*key, sa.func.count(), sa.func.sum(rows.c.size)).group_by(*key)
    by_user: dict[str, dict[str, tuple[int, int]]] = {username: {} for username in usernames}
    for username, state, count, size in connection.execute(sums):
        by_user[username][state] = count, int(size)
    return {username: _usage(by_state) for username, by_state in by_user.items()}


def _usage(by_state: Mapping[str, tuple[int, int]]) -> Usage:
    """Return the usage of a user whose jobs in each state have a number and a size."""
    uploads, upload_bytes = by_state.get(State.RECEIVING, (0, 0))
    return Usage(
        jobs=sum(count for state, (count, _) in by_state.items() if state in IN_FLIGHT),
        stored_bytes=sum(size for _, size in by_state.values()),
        awaiting_cleanup_bytes=sum(size for state, (_, size) in by_state.items() if state in AWAITING_CLEANUP),
        uploads=uploads,
        upload_bytes=upload_bytes,
    )


_size = (sa.func.coalesce(table.c.video_bytes, 0) + sa.func.coalesce(table.c.mp3_bytes, 0)).label("size")


def _too_many_jobs(connection: Connection, username: str, usage: Usage, limit: int) -> TooManyJobs:
    """Return the error for one job too many; an upload in progress has no id yet, so its owner cannot cancel it."""
    only_uploads = usage.uploads == usage.jobs
    have = f"{usage.jobs}, {usage.uploads} of them uploads" if usage.uploads else f"{usage.jobs}"
    hint = "Wait until one ends." if only_uploads else "Wait until one ends, or cancel one: DELETE /jobs/ID."
    return TooManyJobs(
        f"You may have at most {limit} jobs in progress at the same time, and you have {have}. {hint}"
        f"{f' {INTERRUPTED}' if usage.uploads else ''}",
        retry_after=_first_interrupted(connection, username) if only_uploads else RETRY_JOBS_SECONDS,
    )


def _check_bytes(connection: Connection, username: str, usage: Usage, reservation: Reservation) -> None:
    size, limit = reservation.size, reservation.limits.stored_bytes
    if limit and usage.stored_bytes + size > limit:
        raise _storage_full(connection, username, usage, reservation)


def _storage_full(connection: Connection, username: str, usage: Usage, reservation: Reservation) -> StorageFull:
    """Return the error for too many bytes; it explains how to free space, and when waiting will free some."""
    size, limit = reservation.size, reservation.limits.stored_bytes
    stored, allowed, more = (_readable_size(each) for each in (usage.stored_bytes, limit, size))
    what = f"Your files take up {stored} of the {allowed} that you may store, and this upload needs {more} more"
    if usage.stored_bytes - usage.awaiting_cleanup_bytes + size <= limit:
        hint = "The files of jobs that were deleted or have expired are about to be removed: try again in a minute."
        return StorageFull(f"{what}. {hint}", retry_after=RETRY_CLEANUP_SECONDS)
    others = usage.stored_bytes - usage.awaiting_cleanup_bytes - usage.upload_bytes
    size_of_uploads = _readable_size(usage.upload_bytes)
    uploads = f" Uploads in progress take up {size_of_uploads}. {INTERRUPTED}" if usage.upload_bytes else ""
    delete = " Delete jobs that have ended: DELETE /jobs/ID. Their space is free within a minute." if others else ""
    what = f"{what}.{uploads}{delete}"
    if usage.upload_bytes and others + size <= limit:
        return StorageFull(what, retry_after=_first_interrupted(connection, username))
    if (expiry := _first_expiry(connection, username, reservation.limits.retention)) is None:
        return StorageFull(what)
    date, seconds = expiry
    return StorageFull(f"{what} The first of them expires on {date}.", retry_after=seconds)


def _first_interrupted(connection: Connection, username: str) -> int:
    """Return in how many seconds the first of a user's uploads counts as interrupted, unless more bytes arrive."""
    mine = sa.and_(table.c.username == username, table.c.state == State.RECEIVING)
    due, moment = connection.execute(sa.select(sa.func.min(table.c.upload_deadline), now()).where(mine)).one()
    # Imports have no deadline, and their owner can cancel them.
    return RETRY_JOBS_SECONDS if due is None else max(0, int(due - moment)) + RETRY_CLEANUP_SECONDS


def _first_expiry(connection: Connection, username: str, retention: int) -> tuple[str, int] | None:
    """Return when the first of a user's jobs expires, as a date and in seconds from now; None if none will."""
    mine = sa.and_(table.c.username == username, may_expire())
    ended, moment = connection.execute(sa.select(sa.func.min(table.c.changed_at), now()).where(mine)).one()
    if ended is None or ended + retention > MAX_DATE:
        return None
    expires = ended + retention
    return f"{datetime.fromtimestamp(expires, UTC):%Y-%m-%d %H:%M} UTC", max(1, round(expires - moment))


def _readable_size(size: int) -> str:
    for unit, name in UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
