"""Job and notification rows in every state, for tables of any size."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa

from soundlift.common.db.engine import Database
from soundlift.common.db.tables import jobs, notifications
from soundlift.common.jobs.model import State

ROWS_OF_USER = 100
UPDATED_ROWS = 500  # of the first users
RETENTION_SECONDS = 7 * 24 * 3600
OVERDUE_SECONDS = 3600
BATCH_ROWS = 5000
SHUFFLE = 7919  # a prime, so that neighbouring rows differ in state

Values = dict[str, Any]


def fill(database: Database, rows: int) -> None:
    """Insert jobs with their notifications; a tenth are queued, and each query of cleanup finds at least a batch."""
    states = _states(rows)
    pairs = (_row(number, states, rows, time.time()) for number in range(rows))
    indexes = [*jobs.indexes, *notifications.indexes]
    with database.write() as connection:
        for index in indexes:
            index.drop(connection)  # building the indexes at the end takes a fraction of the time
    while batch := list(islice(pairs, BATCH_ROWS)):
        with database.write() as connection:
            connection.execute(sa.insert(jobs), [job for job, _ in batch])
            if sent := [notification for _, notification in batch if notification]:
                connection.execute(sa.insert(notifications), sent)
    with database.write() as connection:
        for index in indexes:
            index.create(connection)
    if database.engine.dialect.name == "mysql":  # the planner's statistics are stale after a bulk load
        with database.write() as connection:
            connection.execute(sa.text("ANALYZE TABLE job, notification"))


def user(number: int) -> str:
    """Return the name of a user who has ROWS_OF_USER jobs."""
    return f"user{number}@example.org"


def _states(rows: int) -> list[str]:
    """Return the kind of each row, by its shuffled number."""
    backlog = max(100, rows // 100)
    kinds = ["queued"] * (rows // 10) + ["converting"] * 50
    for kind in ("receiving", "cancelled", "deleted", "pending"):
        kinds += [kind] * backlog
    rest = rows - len(kinds)
    return kinds + ["notified"] * (rest // 2) + ["expired"] * (rest - rest // 2)


def _row(number: int, states: Sequence[str], rows: int, now: float) -> tuple[Values, Values | None]:
    kind = states[number * SHUFFLE % rows]
    job_id, video, mp3 = (f"{what}{number:023x}" for what in "abc")
    overdue, ended = now - OVERDUE_SECONDS, kind in ("pending", "notified", "cancelled", "expired", "deleted")
    age = (rows - number) / rows * RETENTION_SECONDS / 2
    job = {
        "id": job_id,
        "username": user(number // ROWS_OF_USER),
        "state": {"pending": State.READY, "notified": State.READY}.get(kind, kind),
        "file_name": "holiday.mp4",
        "content_type": "video/mp4",
        "video_fid": video,
        "video_bytes": 10_000_000,
        "mp3_fid": mp3 if ended else None,
        "mp3_bytes": 1_000_000 if ended else None,
        "percent": 100 if ended else 0,
        "claimed_until": now + OVERDUE_SECONDS if kind == "converting" else None,
        "upload_deadline": overdue if kind == "receiving" else None,
        "resend_at": overdue - age if kind == "queued" else overdue if kind == "converting" else None,
        "turn": number % ROWS_OF_USER if kind == "queued" else None,
        "purge_after": overdue if kind == "deleted" else None,
        "created_at": now - age,
        "changed_at": now - age - (2 * RETENTION_SECONDS if kind == "cancelled" else 0),
        # A few rows of either table were updated recently.
        "updated_at": now if number < UPDATED_ROWS else now - OVERDUE_SECONDS - age,
    }
    return job, _notification(job_id, overdue - age, kind)


def _notification(job_id: str, due_at: float, kind: str) -> Values | None:
    if kind not in ("pending", "notified"):
        return None
    pending = kind == "pending"
    return {
        "job": job_id,
        "channel": "mail",
        "due_at": due_at if pending else None,
        "delivered_at": None if pending else due_at,
    }
