"""Waiting until a deployment has come to rest, without waiting for the minutes and hours of its schedule."""

from __future__ import annotations

import time
from collections.abc import Callable

import sqlalchemy as sa

from soundlift.client import Client
from soundlift.common.db.engine import Database
from soundlift.common.db.tables import job_sources, jobs, notifications, resumable_uploads, webhook_deliveries
from tests.chaos.outside.api import read_jobs
from tests.chaos.outside.deployment import Deployment

# More than the longest pause until anything is repeated, which is that of a webhook, and than RESUME_SECONDS.
SKIPPED_SECONDS = 27 * 3600.0
QUIET_SECONDS = 2.0
POLL_SECONDS = 0.25
SCHEDULED = {
    jobs: ("upload_deadline", "resend_at", "purge_after"),
    job_sources: ("due_at",),
    notifications: ("due_at",),
    resumable_uploads: ("expires_at",),
    webhook_deliveries: ("due_at", "resend_at"),
}


def come_to_rest(
    deployment: Deployment, database: Database, cleanup: Callable[[], dict[str, int]], *, seconds: float
) -> bool:
    """Make what is scheduled due and call cleanup until nothing is left to do; return False if that takes too long.

    `cleanup` returns the counts of the function's answer. Claims are left alone: they end within a minute.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        skip_time(database)
        done = sum(cleanup().values())
        if _is_quiet(deployment, deadline) and not done:
            return True
    return False


def skip_time(database: Database) -> None:
    """Make everything that is scheduled due, as if hours had passed; nothing that ends the life of a job."""
    with database.write() as connection:
        for table, names in SCHEDULED.items():
            for name in names:
                earlier = {name: table.c[name] - SKIPPED_SECONDS}
                connection.execute(sa.update(table).where(table.c[name].is_not(None)).values(earlier))


def _is_quiet(deployment: Deployment, deadline: float) -> bool:
    """Wait for a while until no job waits for anything; return whether that is so."""
    until = min(deadline, time.monotonic() + QUIET_SECONDS)
    while not (quiet := not any(deployment.waiting().values()) and _have_ended(deployment.admin)):
        if time.monotonic() > until:
            return False
        time.sleep(POLL_SECONDS)
    return quiet


def _have_ended(client: Client) -> bool:
    seen = [one.job for one in read_jobs(client).values()]
    return all(job.ended and not any(one.pending for one in job.notifications) for job in seen)
