"""Measures how workers that choose jobs at the same time get in each other's way, on MariaDB.

Each worker is a thread with a connection of its own, ten in a process. It claims one job after another and marks it as
ready at once: so all workers choose all the time, as they do only when a backlog begins to be converted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from bench.harness import servers
from bench.harness.claiming_workers import Work, work
from bench.harness.comparison import Goal, Result, Row, Run, Sample, compare
from bench.inputs.populations import Population, fill
from soundlift.common.db.engine import open_database
from soundlift.common.db.migrations import migrate

JOBS = Population(jobs=100_000, events=0, users=1000)
CLAIMS = 500
FEW_CLAIMS = 200  # of one worker

Figure = Callable[[Work], float]


def contention(row: Row, workers: int, figure: Figure) -> Result:
    """Compare many workers with one."""
    with ExitStack() as stack:
        url = stack.enter_context(servers.mariadb())
        migrate(url)
        database = open_database(url, seconds=600)
        fill(database, JOBS, "")
        database.engine.dispose()
        return compare(row, _run(url, workers, CLAIMS // workers, figure), _run(url, 1, FEW_CLAIMS, figure))


def _run(url: str, workers: int, claims_each: int, figure: Figure) -> Run:
    def run() -> Sample:
        done = work(url, workers, claims_each)
        print(f"{workers} workers: {done}", flush=True)
        return Sample(figure(done))

    return run


FIGURES: dict[str, tuple[str, Goal, Figure]] = {
    "": ("statements", Goal(2), lambda done: done.statements_per_claim),
    "-rate": ("claims/s", Goal(0.5, at_least=True), lambda done: done.claims_per_second),
}
ROWS: dict[Row, Callable[[Row], Result]] = {
    Row(f"claims-{workers}{suffix}", unit, goal, rounds=3, warm_up=0): partial(
        contention, workers=workers, figure=figure
    )
    for workers in (10, 100)
    for suffix, (unit, goal, figure) in FIGURES.items()
}
