"""Rows that one run of cleanup has something to do with: a few of each kind, the same in a database of any size."""

from __future__ import annotations

import time
from itertools import count

import sqlalchemy as sa

from bench.inputs.bulk import Values, insert_in_batches
from bench.inputs.job_rows import user
from bench.inputs.populations import STEPS, delete_jobs
from soundlift.common.db import tables
from soundlift.common.db.engine import Database
from soundlift.common.jobs.model import State

ROWS_OF_KIND = 10
PREFIX = "e"  # of the ids of these rows
LONG_AGO_SECONDS = 100 * 24 * 3600
USER = user(1)
_numbers = count()

# The state of a job, and the columns by which cleanup finds it; times count from now.
KINDS: tuple[tuple[State, dict[str, float]], ...] = (
    (State.QUEUED, {"resend_at": -60, "turn": 10**6}),
    (State.CONVERTING, {"resend_at": -60, "claimed_until": -60}),
    (State.RECEIVING, {"upload_deadline": -60}),
    (State.READY, {}),
    (State.CANCELLED, {"changed_at": -LONG_AGO_SECONDS}),
    (State.EXPIRED, {"purge_after": -60}),
    (State.EXPIRED, {"changed_at": -LONG_AGO_SECONDS}),
)


def add_work(database: Database) -> None:
    """Insert ROWS_OF_KIND jobs of each kind, and as many expired records of each other table."""
    now, numbers = time.time(), [next(_numbers) for _ in range(ROWS_OF_KIND * len(KINDS))]
    jobs = [_job(number, *KINDS[number % len(KINDS)], now) for number in numbers]
    insert_in_batches(database, tables.jobs, jobs)
    pending = [job["id"] for job in jobs if job["state"] == State.READY]
    due = ({"job": job_id, "channel": "mail", "due_at": now - 60} for job_id in pending)
    insert_in_batches(database, tables.notifications, due)
    steps = ({"job": job["id"], "at": now, "step": step} for step in STEPS for job in jobs)
    insert_in_batches(database, tables.job_history, steps)
    own = numbers[:ROWS_OF_KIND]
    session = {"username": USER, "token_hash": "", "created_at": 0, "expires_at": 1}
    insert_in_batches(database, tables.sessions, ({"id": f"{PREFIX}{number:023x}", **session} for number in own))
    attempt = {"attempts": 1, "locked_until": 0, "expires_at": 1}
    insert_in_batches(database, tables.attempts, ({"key": f"{PREFIX}{number:063x}", **attempt} for number in own))
    minute = {"username": USER, "uploads": 1, "seconds": 1}
    insert_in_batches(database, tables.usage_minutes, ({"minute": number, **minute} for number in own))


def _job(number: int, state: State, times: dict[str, float], now: float) -> Values:
    values = {name: now + seconds if name != "turn" else seconds for name, seconds in times.items()}
    return {
        "id": f"{PREFIX}{number:023x}",
        "username": USER,
        "state": state,
        "file_name": "work.mp4",
        "content_type": "video/mp4",
        "video_fid": f"f{number:023x}",
        "video_bytes": 1,
        "created_at": now,
        "changed_at": now,
        "updated_at": now - 3600,
        **{name: None for _, others in KINDS for name in others if name != "changed_at"},
        **values,
    }


def remove_work(database: Database) -> None:
    """Delete the rows that cleanup has left."""
    delete_jobs(database, tables.jobs.c.id.startswith(PREFIX))
    with database.write() as connection:
        connection.execute(sa.delete(tables.deletions).where(tables.deletions.c.job.startswith(PREFIX)))
