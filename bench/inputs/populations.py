"""Databases of two sizes that contain the same 100 jobs of one user; in the larger one they are among a million.

The rows of the others need nothing from cleanup, and none of them has changed lately. So each operation on the user's
jobs, and each run of cleanup on rows that are added for it, has the same to do in both databases.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from bench.inputs.bulk import Values, insert_in_bulk
from bench.inputs.job_rows import ROWS_OF_USER, user
from soundlift.common.db import tables
from soundlift.common.db.engine import Database
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.model import State

OWNER = user(0)
DAY = 24 * 3600
SPREAD_SECONDS = 3 * DAY  # the age of the oldest job; all are younger than any retention
LATER_SECONDS = 6 * 3600
SESSIONS_OF_USER, ATTEMPTS_OF_USER, MINUTES_OF_USER = 3, 2, 10
KEY_DIGITS = 64
STEPS = (Step.RECEIVING, Step.QUEUED, Step.CLAIMED, Step.READY, Step.MAIL_DELIVERED)
HISTORY_BATCH = 100_000


@dataclass(frozen=True)
class Population:
    """The numbers of jobs, of which a tenth are queued, of events that wait in the queue, and of users."""

    jobs: int
    events: int
    users: int


FEW = Population(jobs=100, events=100, users=100)
MANY = Population(jobs=1_000_000, events=100_000, users=10_000)


def fill(database: Database, population: Population, password: str) -> None:
    """Insert users, all with one password hash, their jobs and everything that belongs to these."""
    now = time.time()
    rows = {
        tables.users: _users(population, password),
        tables.jobs: _jobs(population, now),
        tables.notifications: _notifications(population, now),
        tables.sessions: _sessions(population, now),
        tables.attempts: _attempts(population, now),
        tables.usage_minutes: _minutes(population, now),
        tables.upload_keys: _keys(population, now),
        tables.deletions: _deletions(population, now),
    }
    insert_in_bulk(database, rows)
    _insert_history(database, population)


def _insert_history(database: Database, population: Population) -> None:
    """Insert the steps of all jobs; the database makes the rows, of which there are too many to send."""
    history = tables.job_history
    with database.write() as connection:
        for index in history.indexes:
            index.drop(connection)
    for step in STEPS:
        for first in range(0, population.jobs, HISTORY_BATCH):
            part = tables.jobs.c.id.between(job_id(first), job_id(first + HISTORY_BATCH - 1))
            rows = sa.select(tables.jobs.c.id, tables.jobs.c.created_at, sa.literal(step)).where(part)
            with database.write() as connection:
                connection.execute(sa.insert(history).from_select(["job", "at", "step"], rows))
    with database.write() as connection:
        for index in history.indexes:
            index.create(connection)


def _users(population: Population, password: str) -> Iterator[Values]:
    for number in range(population.users):
        yield {"email": user(number), "password": password, "admin": number == 0}


def state_of(number: int) -> State:
    """Return the state of a job by its number: of each user's hundred, ten are queued and half have expired.

    The first user has more that are queued, as many as a worker chooses from.
    """
    place = number % ROWS_OF_USER
    if place < (ROWS_OF_USER // 5 if number < ROWS_OF_USER else ROWS_OF_USER // 10):
        return State.QUEUED
    return State.READY if place < ROWS_OF_USER // 2 else State.EXPIRED


def job_id(number: int) -> str:
    """Return the id of a job."""
    return f"a{number:023x}"


def _jobs(population: Population, now: float) -> Iterator[Values]:
    for number in range(population.jobs):
        state = state_of(number)
        queued, created_at = state == State.QUEUED, now - LATER_SECONDS - _age(number, population)
        yield {
            "id": job_id(number),
            "username": user(number // ROWS_OF_USER),
            "state": state,
            "file_name": "holiday.mp4",
            "content_type": "video/mp4",
            "video_fid": f"b{number:023x}",
            "video_bytes": 10_000_000,
            "mp3_fid": None if queued else f"c{number:023x}",
            "mp3_bytes": None if queued else 1_000_000,
            "length": None if queued else 60.0,
            "percent": 0 if queued else 100,
            "resend_at": now + LATER_SECONDS if queued else None,
            "turn": 1 + number % ROWS_OF_USER if queued else None,
            "created_at": created_at,
            "changed_at": created_at + 60,
            "ended_at": None if queued else created_at + 60,
            "updated_at": created_at + 60,
        }


def _age(number: int, population: Population) -> float:
    """Return the age of a job in seconds; the jobs of all users are mixed, as they are if all upload every day."""
    place, of_user = number % ROWS_OF_USER, number // ROWS_OF_USER
    return SPREAD_SECONDS * (place + of_user / population.users) / ROWS_OF_USER


def _notifications(population: Population, now: float) -> Iterator[Values]:
    for number in range(population.jobs):
        if state_of(number) != State.QUEUED:
            yield {"job": job_id(number), "channel": "mail", "due_at": None, "delivered_at": now - LATER_SECONDS}


def _sessions(population: Population, now: float) -> Iterator[Values]:
    for number in range(population.users * SESSIONS_OF_USER):
        yield {
            "id": f"{number:024x}",
            "username": user(number // SESSIONS_OF_USER),
            "token_hash": f"{number:064x}",
            "created_at": now - DAY,
            "expires_at": now + DAY + number / 1000,
        }


def _attempts(population: Population, now: float) -> Iterator[Values]:
    for number in range(population.users * ATTEMPTS_OF_USER):
        key = f"{number:0{KEY_DIGITS}x}"
        yield {"key": key, "attempts": 1, "locked_until": 0, "expires_at": now + DAY + number / 1000}


def _minutes(population: Population, now: float) -> Iterator[Values]:
    minute = int(now // 60)
    for number in range(population.users * MINUTES_OF_USER):
        place = number % MINUTES_OF_USER
        name = user(number // MINUTES_OF_USER)
        yield {"username": name, "minute": minute - 30 * place, "uploads": 1, "seconds": 60.0}


def _keys(population: Population, now: float) -> Iterator[Values]:
    for number in range(0, population.jobs, 10):
        yield {
            "id": f"{number:0{KEY_DIGITS}x}",
            "username": user(number // ROWS_OF_USER),
            "fingerprint": f"{number:064x}",
            "job": job_id(number),
            "created_at": now - LATER_SECONDS / 2,
        }


def _deletions(population: Population, now: float) -> Iterator[Values]:
    for number in range(population.users):
        yield {"job": f"d{number:023x}", "username": user(number), "updated_at": now - 2000}


def delete_jobs(database: Database, condition: sa.ColumnElement[bool]) -> None:
    """Delete rows of jobs, with those of their notifications and steps."""
    ids = sa.select(tables.jobs.c.id).where(condition)
    with database.write() as connection:
        found = list(connection.scalars(ids))
        for table in (tables.notifications, tables.job_history):
            connection.execute(sa.delete(table).where(table.c.job.in_(found)))
        connection.execute(sa.delete(tables.jobs).where(tables.jobs.c.id.in_(found)))
