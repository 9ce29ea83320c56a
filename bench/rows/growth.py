"""Compares queries on 1,000,000 jobs with queries on 1,000: their time must not grow with the table.

Each query returns as many rows from either table. The larger one has 100,000 queued jobs, all overdue.
"""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache, partial
from statistics import median

from bench.harness import servers
from bench.harness.comparison import Goal, Result, Row, Sample, compare
from bench.inputs.job_rows import RETENTION_SECONDS, fill, user
from soundlift.common.db.engine import open_database
from soundlift.common.db.migrations import migrate
from soundlift.common.jobs.cursor import OVERLAP_SECONDS
from soundlift.common.jobs.lists import Search
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.quota import Usage, read_usage
from soundlift.common.jobs.turns import next_turn
from soundlift.common.process.temporary_folders import temporary_folder
from soundlift.common.services import Services
from soundlift.common.settings import Settings

FEW, MANY = 1_000, 1_000_000
REPEATS = 100
STATEMENT_TIMEOUT_SECONDS = 600  # building an index on the larger table
USER = user(3)

Query = Callable[[], object]
_filled = ExitStack()
atexit.register(_filled.close)


def growth(row: Row, database: str, prepare: Callable[[Services], Query]) -> Result:
    """Compare a query on many rows with the same query on few."""
    many, few = (prepare(services) for services in _tables(database))
    assert _row_count(many()) == _row_count(few()), "the query returns different numbers of rows from the two tables"
    return compare(row, partial(_measure, many), partial(_measure, few))


@cache
def _tables(database: str) -> tuple[Services, Services]:
    """Return services over a database with many jobs and over one with few, which exist until the process ends."""
    many, few = (_services(database, rows) for rows in (MANY, FEW))
    return many, few


def _services(database: str, rows: int) -> Services:
    folder = _filled.enter_context(temporary_folder("bench"))
    url = f"sqlite:///{folder}/jobs.db" if database == "sqlite" else _filled.enter_context(servers.mariadb())
    migrate(url)
    large = open_database(url, seconds=STATEMENT_TIMEOUT_SECONDS)
    fill(large, rows)
    large.engine.dispose()
    return Services(Settings.from_environment({"DATABASE_URL": url, "SOUNDLIFT_DATA": str(folder)}))


def _measure(query: Query) -> Sample:
    def once() -> float:
        began = time.perf_counter()
        query()
        return time.perf_counter() - began

    return Sample(median(once() for _ in range(REPEATS)) * 1000)


def _row_count(answer: object) -> int:
    return len(answer) if isinstance(answer, list) else 1


def _some_job(services: Services) -> Job:
    return next(job for job in services.jobs.page(USER) if job.mp3_fid)


def _find(services: Services) -> Query:
    return partial(services.jobs.find, _some_job(services).id)


def _find_by_mp3(services: Services) -> Query:
    return partial(services.jobs.find_by_mp3, str(_some_job(services).mp3_fid))


def _find_by_video(services: Services) -> Query:
    return partial(services.jobs.find_by_video, _some_job(services).video_fid)


def _second_page(services: Services, username: str | None) -> Query:
    return partial(services.jobs.page, username, after=services.jobs.page(username, limit=20)[-1].id, limit=20)


def _notifications_of_page(services: Services) -> Query:
    return partial(services.notifications.by_job, [job.id for job in services.jobs.page(USER)])


def _updates(services: Services, username: str | None) -> int:
    """Return how many jobs have changed since a recent cursor."""
    return len(services.jobs.updates(username, since=services.jobs.moment() - OVERLAP_SECONDS))


def _quota(services: Services) -> Query:
    def measure() -> Usage:
        with services.database.read() as connection:
            return read_usage(connection, USER)

    return measure


def _next_in_turn(services: Services) -> Query:
    from functions.convert.choice import CANDIDATES

    return partial(services.jobs.next_in_turn, CANDIDATES)


def _turn(services: Services) -> Query:
    def measure() -> int:
        with services.database.write() as connection:
            return next_turn(connection, USER)

    return measure


QUERIES: dict[str, Callable[[Services], Query]] = {
    "find": _find,
    "find-by-mp3": _find_by_mp3,
    "find-by-video": _find_by_video,
    "user-page": lambda services: partial(services.jobs.page, USER, limit=20),
    "user-page-2": partial(_second_page, username=USER),
    "admin-page": lambda services: partial(services.jobs.page, None, limit=20),
    "admin-page-2": partial(_second_page, username=None),
    "user-search": lambda services: partial(services.jobs.search, USER, Search("holiday"), limit=20),
    "admin-search": lambda services: partial(services.jobs.search, None, Search("holiday"), limit=20),
    "user-updates": lambda services: partial(_updates, services, USER),
    "admin-updates": lambda services: partial(_updates, services, None),
    "notifications": _notifications_of_page,
    "quota": _quota,
    "next-in-turn": _next_in_turn,
    "turn": _turn,
    "waiting": lambda services: partial(services.jobs.has_waiting, FEW // 10),
    "due": lambda services: services.jobs.due,
    "due-notifications": lambda services: services.notifications.due,
    "interrupted": lambda services: services.jobs.interrupted,
    "past-retention": lambda services: partial(services.jobs.past_retention, retention=RETENTION_SECONDS),
    "to-dispose": lambda services: services.jobs.to_dispose,
    "forget-rows": lambda services: partial(services.jobs.delete_old_rows, retention=RETENTION_SECONDS),
}
ROWS: dict[Row, Callable[[Row], Result]] = {
    Row(f"growth-{database}-{name}", "ms", Goal(1.5)): partial(growth, database=database, prepare=prepare)
    for database in ("sqlite", "mariadb")
    for name, prepare in QUERIES.items()
}
