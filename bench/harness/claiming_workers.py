"""Workers in several processes that claim jobs as convert does, to see how they get in each other's way."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

import sqlalchemy as sa
from sqlalchemy import event

from functions.convert.choice import MAX_CHOICES, MAX_LOST_RACES, choose
from soundlift.common.db.engine import Database, open_database
from soundlift.common.errors import Busy, DatabaseUnavailable
from soundlift.common.jobs.model import AudioDescription, Claim
from soundlift.common.jobs.store import Jobs

THREADS = 10  # workers of one process
START_SECONDS = 120


@dataclass(frozen=True)
class Work:
    """What workers did together: their claims in a row, and what they lost."""

    claims: int
    statements: int
    busy: int
    errors: int
    seconds: float

    @property
    def claims_per_second(self) -> float:
        """Return the rate of all workers together."""
        return self.claims / self.seconds

    @property
    def statements_per_claim(self) -> float:
        """Return how many statements the database executed for each claim, those of lost attempts included."""
        return self.statements / max(1, self.claims)


def work(url: str, workers: int, claims_each: int) -> Work:
    """Let workers claim queued jobs, each one at a time, and return what they did."""
    context = multiprocessing.get_context("spawn")
    sizes = [min(THREADS, workers - first) for first in range(0, workers, THREADS)]
    barrier, pipes, processes = context.Barrier(workers + 1), [], []
    for size in sizes:
        ours, theirs = context.Pipe()
        arguments = (url, size, claims_each, barrier, theirs)
        processes.append(context.Process(target=_work_in_process, args=arguments))
        processes[-1].start()
        pipes.append(ours)
    barrier.wait(START_SECONDS)
    began = time.perf_counter()
    found = [pipe.recv() for pipe in pipes]
    seconds = time.perf_counter() - began
    for process in processes:
        process.join()
    claims, statements, busy, errors = (sum(column) for column in zip(*found, strict=True))
    return Work(claims, statements, busy, errors, seconds)


def _work_in_process(url: str, workers: int, claims_each: int, barrier: Barrier, pipe: Connection) -> None:
    with ThreadPoolExecutor(workers) as pool:
        each = pool.map(lambda _: _Worker(url).run(claims_each, barrier), range(workers))
        pipe.send(_sums(each))


def _sums(rows: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sum(column) for column in zip(*rows, strict=True))


class _Worker:
    """A worker with a connection of its own, as the slot of a pod has."""

    def __init__(self, url: str) -> None:
        self._database = open_database(url, seconds=60)
        self._jobs = Jobs(self._database)
        self._statements = 0
        event.listen(self._database.engine, "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self._statements += 1

    def run(self, claims_each: int, barrier: Barrier) -> tuple[int, int, int, int]:
        """Return how many claims, statements, times with nothing to claim, and errors of the database there were."""
        _connect(self._database)
        self._statements = claims = busy = errors = 0
        barrier.wait(START_SECONDS)
        while claims < claims_each:
            try:
                claim = self._claim()
            except Busy:
                busy += 1
                continue
            except DatabaseUnavailable:
                errors += 1
                continue
            claims += 1
            self._jobs.mark_ready(claim, audio=AudioDescription(format="mp3"), mp3_bytes=1, length=1.0)
        self._database.engine.dispose()
        return claims, self._statements, busy, errors

    def _claim(self) -> Claim:
        """Claim a job as convert does; raises Busy if other workers take every job that this one tries."""
        for choice in range(MAX_CHOICES):
            for job in choose(self._jobs, choice)[:MAX_LOST_RACES]:
                if claim := self._jobs.claim(job):
                    return claim
                self._jobs.give_up(job)
        raise Busy("Other workers took every job that was chosen.")


def _connect(database: Database) -> None:
    with database.read() as connection:
        connection.execute(sa.text("SELECT 1"))
