"""The end of a run: once every job is deleted, nothing may be left.

The API does not show every file that a row names: that of a cancelled job, which an interrupted worker may have left,
is deleted with the job. So only an empty store shows that no file was forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from soundlift.common.db.engine import Database
from tests.chaos.accounts.books import Violation
from tests.chaos.outside.api import read_jobs
from tests.chaos.outside.deployment import Deployment
from tests.chaos.outside.rest import skip_time
from tests.chaos.outside.store import read_store

BUCKETS = ("videos", "mp3s")
CHECK = "nothing is left once every job is deleted"


def empty(
    deployment: Deployment, database: Database, cleanup: Callable[[], dict[str, int]], *, seconds: float
) -> list[Violation]:
    """Delete all jobs as an admin, let cleanup delete their files, and return a violation for each thing left."""
    for job in read_jobs(deployment.admin):
        deployment.admin.delete(job)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        skip_time(database)
        if not sum(cleanup().values()):
            break
    jobs = [
        Violation(CHECK, f"a job is {seen.job.state}", job=job) for job, seen in read_jobs(deployment.admin).items()
    ]
    return jobs + [Violation(CHECK, detail) for bucket in BUCKETS for detail in _left_in(deployment.media_url, bucket)]


def _left_in(url: str, bucket: str) -> list[str]:
    stored = read_store(url, bucket)
    files = [f"the file {name} is in {bucket}" for name in sorted(stored.files)]
    return files + [f"an interrupted writer left {name} in {bucket}" for name in sorted(stored.unfinished)]
