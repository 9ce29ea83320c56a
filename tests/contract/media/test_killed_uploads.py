"""Every store: the process of a resumable upload is killed at each of its steps, in the store and in the database."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
import sqlalchemy as sa

from soundlift.common.db.engine import Database
from soundlift.common.db.tables import jobs
from soundlift.common.jobs.disposal import dispose
from soundlift.common.jobs.model import State
from soundlift.common.media.gridfs.writer import CHUNK_SIZE
from soundlift.common.media.s3.writer import PART_SIZE
from soundlift.common.services import Services
from tests.api.tus import Tus, path_of, sha1
from tests.api.uploads import read_stored
from tests.contract.media.medium import Medium
from tests.factories.jobs import MP4, job_now
from tests.fixtures.functions import Call

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),  # the child is killed
]

S3_READS = ("Get", "Head", "List")  # how the names of operations begin that change nothing


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(autouse=True)
def _read_models_of_s3_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the children, each of which needs a client of its own, create it from what this process has read."""
    session = boto3.session.Session()
    monkeypatch.setattr(boto3.session, "Session", lambda: session)


def test_a_kill_at_any_step_loses_no_acknowledged_byte_and_makes_one_job(
    function: Call, services: Services, medium: Medium, tmp_path: Path
) -> None:
    services.settings = replace(services.settings, media_url=medium.url, max_jobs_in_flight=0)
    unit = PART_SIZE if medium.url.startswith("s3") else CHUNK_SIZE
    video = MP4 + os.urandom(unit + 100_000)
    tus, kills = Tus.of(function, services), 0
    ends = [1000, 70_000, 80_000, len(video) - 5_000, len(video)]
    # Each step is before or after a call. Only calls change what is on a server, so that a kill after one leaves the
    # same as a kill before the next. The first bytes change only the database, where the folder's steps cover them.
    stride = 1
    if not medium.url.startswith("file"):
        ends, stride = ends[1:], 2
    for number in itertools.count(step=stride):
        acknowledged = tmp_path / f"acknowledged {number}"
        acknowledged.write_text("0")
        killed = _run_child(
            lambda number=number, file=acknowledged: _send(
                _with_kill(tus, services, medium, number), video, ends, file, number
            )
        )
        _send(tus, video, ends, acknowledged, number)
        (job_id,) = _job_ids(services)
        job = job_now(services, job_id)
        assert job.state == State.QUEUED
        assert read_stored(services, job.video_fid) == video, number
        assert tus.delete(f"/files/{job_id}").status_code == 204
        dispose(job_now(services, job_id), services)  # as cleanup does
        assert medium.remains(job.video_fid) == [], number
        if not killed:
            break
        kills += 1
    assert kills * stride > 40


def _send(tus: Tus, video: bytes, ends: Sequence[int], acknowledged: Path, number: int) -> None:
    """Send a video in parts as a client does that has lost all but what was acknowledged; one has a checksum."""
    path = path_of(tus.create(len(video), Idempotency_Key=f'"{number}"'))
    offset = tus.offset(path)
    assert offset >= int(acknowledged.read_text()), f"step {number}: acknowledged bytes are lost"
    for end in ends:
        if offset < end:
            checksum = {"Upload_Checksum": sha1(video[offset:end])} if end == ends[-3] else {}
            response = tus.patch(path, offset, video[offset:end], **checksum)
            assert response.status_code == 204, response.json
            offset = end
            acknowledged.write_text(str(offset))
    assert tus.head(path).headers["Soundlift-Job"]


def _run_child(work: Callable[[], None]) -> bool:
    """Run a function in a process of its own, and return whether it was killed; any other end fails the test."""
    if (child := os.fork()) == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    return os.WIFSIGNALED(status)


def _with_kill(tus: Tus, services: Services, medium: Medium, number: int) -> Tus:
    """Make this process kill itself at a step: before or after a call to the store, or a transaction."""
    services.database.engine.dispose(close=False)
    counter = itertools.count()

    def count() -> None:
        if next(counter) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, name in ((Database, "_transact_once"), *medium.steps):
        setattr(owner, name, _counted(getattr(owner, name), count))
    return tus


def _counted(real: Callable[..., Any], count: Callable[[], None]) -> Callable[..., Any]:
    def step(*arguments: Any, **options: Any) -> Any:
        is_read = len(arguments) > 1 and str(arguments[1]).startswith(S3_READS)
        if not is_read:
            count()
        result = real(*arguments, **options)
        if not is_read:
            count()
        return result

    return step


def _job_ids(services: Services) -> list[str]:
    """Return the ids of all jobs."""
    with services.database.read() as connection:
        return list(connection.scalars(sa.select(jobs.c.id)))
