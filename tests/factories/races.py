"""Steps that several processes take at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from soundlift.common.services import Services


def race(services: Services, steps: list[Callable[[Services], object]]) -> list[object]:
    """Take the steps at the same moment, each over its own connection, and return their results."""
    barrier = Barrier(len(steps))
    rivals = [Services(services.settings) for _ in steps]

    def take(rival: Services, step: Callable[[Services], object]) -> object:
        rival.jobs.find("warm the connection")
        barrier.wait()
        return step(rival)

    with ThreadPoolExecutor(len(steps)) as pool:
        results = list(pool.map(take, rivals, steps))
    for rival in rivals:
        rival.database.engine.dispose()
    return results
