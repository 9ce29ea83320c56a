"""What happens in a deployment at the moment, for operators: a few bounded reads of indexes, which lock nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import statement_start
from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import job_history, jobs, notifications
from soundlift.common.jobs.conditions import state_column
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.model import State

MAX_COUNT = 10_000  # of the jobs in one state
RATE_SECONDS = 300
RATE_ROWS = 5000
MAX_WORKERS = 20
RATES: Mapping[str, Sequence[Step]] = {
    "uploads": (Step.QUEUED, Step.ADOPTED),
    "conversions": (Step.READY,),
    "mails": (Step.MAIL_DELIVERED,),
    "failures": (Step.FAILED, Step.GAVE_UP, Step.MAIL_GAVE_UP, Step.WEBHOOK_GAVE_UP),
    "postponed": (Step.RELEASED, Step.MAIL_RELEASED, Step.WEBHOOK_RELEASED),
}


@dataclass(frozen=True)
class Worker:
    """A conversion in progress; `seconds` is the age of its claim.

    `lapsed` means that its worker has not renewed the claim in time, and is probably dead.
    """

    job: str
    percent: int
    attempt: int
    seconds: float
    lapsed: bool


@dataclass(frozen=True)
class Overview:
    """The state of a deployment. Counts end at MAX_COUNT + 1, which stands for any larger number.

    `rates` are per minute, over the last RATE_SECONDS or less; `oldest_queued` is in seconds, None for an empty queue.
    """

    jobs: Mapping[str, int]
    pending_mails: int
    oldest_queued: float | None
    rates: Mapping[str, float]
    workers: Sequence[Worker]


def read_overview(database: Database) -> Overview:
    """Return what happens at the moment; raises DatabaseUnavailable."""
    with database.read() as connection:
        moment = float(connection.scalar(sa.select(statement_start())) or 0)
        return Overview(
            jobs={state.value: _count_jobs(connection, state) for state in State},
            pending_mails=_count(connection, _pending_mails()),
            oldest_queued=_oldest_queued(connection, moment),
            rates=_rates(connection, moment),
            workers=_workers(connection, moment),
        )


def _count_jobs(connection: Connection, state: State) -> int:
    query = sa.select(jobs.c.state).where(jobs.c.state == state)
    if state in (State.RECEIVING, State.IMPORTING):
        query = sa.select(jobs.c.state).where(jobs.c.state == State.RECEIVING, state_column == state)
    return _count(connection, force_index(query, jobs, "job_in_state"))


def _pending_mails() -> sa.Select[tuple[float]]:
    query = sa.select(notifications.c.due_at).where(notifications.c.due_at.is_not(None))
    return force_index(query, notifications, "notification_due_at")


def _count(connection: Connection, query: sa.Select[tuple[object]] | sa.Select[tuple[float]]) -> int:
    """Return the number of rows of a query, reading at most one more than MAX_COUNT."""
    limited = query.limit(MAX_COUNT + 1).subquery()
    return connection.scalar(sa.select(sa.func.count()).select_from(limited)) or 0


def _oldest_queued(connection: Connection, moment: float) -> float | None:
    query = sa.select(jobs.c.changed_at).where(jobs.c.state == State.QUEUED).order_by(jobs.c.changed_at).limit(1)
    since = connection.scalar(force_index(query, jobs, "job_in_state"))
    return None if since is None else max(0.0, moment - since)


def _rates(connection: Connection, moment: float) -> Mapping[str, float]:
    """Count the newest steps; if there are more than RATE_ROWS, over the time that as many of them took."""
    newest = sa.select(job_history.c.step, job_history.c.at).order_by(job_history.c.id.desc()).limit(RATE_ROWS)
    rows = [row for row in connection.execute(newest) if row.at > moment - RATE_SECONDS]
    seconds = max(1.0, moment - rows[-1].at) if len(rows) == RATE_ROWS else RATE_SECONDS
    counts = Counter(row.step for row in rows)
    return {name: _per_minute((counts[step] for step in steps), seconds) for name, steps in RATES.items()}


def _per_minute(counts: Iterable[int], seconds: float) -> float:
    return round(sum(counts) * 60 / seconds, 1)


def _workers(connection: Connection, moment: float) -> Sequence[Worker]:
    """Return the conversions in progress, the longest first."""
    columns = (jobs.c.id, jobs.c.percent, jobs.c.attempts, jobs.c.changed_at, jobs.c.claimed_until)
    query = sa.select(*columns).where(jobs.c.state == State.CONVERTING).order_by(jobs.c.changed_at).limit(MAX_WORKERS)
    rows = connection.execute(force_index(query, jobs, "job_in_state"))
    return [
        Worker(row.id, row.percent, row.attempts, max(0.0, moment - row.changed_at), _has_lapsed(row, moment))
        for row in rows
    ]


def _has_lapsed(row: sa.Row[tuple[str, int, int, float, float | None]], moment: float) -> bool:
    return row.claimed_until is None or row.claimed_until < moment
