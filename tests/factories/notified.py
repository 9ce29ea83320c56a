"""Waits for the notifications of many jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from devservers.waiting import wait_for
from soundlift.common.services import Services
from tests.factories.jobs import is_notified

CLEANUP_SECONDS, STALL_SECONDS = 2, 60


def wait_until_notified(services: Services, job_ids: Iterable[str], clean_up: Callable[[list[str]], object]) -> None:
    """Wait until the owner of each job is notified; meanwhile, run cleanup for those that are not, faster than cron.

    Fails if there is no progress for a minute: how many jobs wait, and so how long it takes, depends on the machine.
    """
    waiting = list(job_ids)

    def all_notified() -> bool:
        waiting[:] = [job_id for job_id in waiting if not is_notified(services, job_id)]
        return not waiting

    deadline = time.monotonic() + STALL_SECONDS
    while not all_notified():
        assert time.monotonic() < deadline, f"{len(waiting)} owners are not notified"
        clean_up(waiting)
        before = len(waiting)
        with suppress(TimeoutError):
            wait_for(all_notified, "all owners are notified", seconds=CLEANUP_SECONDS)
        if len(waiting) < before:
            deadline = time.monotonic() + STALL_SECONDS
