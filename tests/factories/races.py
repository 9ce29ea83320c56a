"""Steps that several processes take at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import sqlalchemy as sa

from soundlift.common.db.clock import now
from soundlift.common.services import Services


def race(services: Services, steps: list[Callable[[Services], object]]) -> list[object]:
    """Take the steps at the same moment, each over its own connection, and return their results."""
    barrier = Barrier(len(steps))

    def take(step: Callable[[Services], object]) -> object:
        with services.database.read() as connection:  # so that the pool has a connection for each step
            connection.execute(sa.select(now()))
            barrier.wait()
        barrier.wait()
        return step(services)

    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(take, steps))
