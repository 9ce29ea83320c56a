"""What a user may have at once: what counts, and that uploads which race never pass a limit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from soundlift.common.db.migrations import migrate
from soundlift.common.errors import DatabaseUnavailable, StorageFull, TooManyJobs
from soundlift.common.jobs.disposal import dispose
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import RECEIVE_SECONDS, Job, State
from soundlift.common.jobs.quota import Reservation, Usage, read_usage
from soundlift.common.jobs.store import Jobs
from soundlift.common.services import Services
from tests.factories.jobs import (
    MP4,
    age,
    claimed_job,
    failed_job,
    job_now,
    notified_job,
    queued_job,
    ready_job,
    receiving_job,
)
from tests.imports.sources import importing_job

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

ADA, BOB = "ada@example.org", "bob@example.org"
RACERS = 12
ROUNDS = 3
RETENTION = 3600
VIDEO = bytes(100)
FID = "a" * 24


def _limits(*, jobs: int = 0, stored_bytes: int = 0) -> Limits:
    return Limits(jobs, stored_bytes, RETENTION)


def _receive(jobs: Jobs, limits: Limits, *, size: int = 0, email: str = ADA) -> Job:
    reservation = Reservation(size, limits)
    upload = {"username": email, "file_name": "a.mp4", "content_type": "video/mp4"}
    return jobs.receive(**upload, traceparent=None, reservation=reservation)


def _usage(services: Services, email: str = ADA) -> Usage:
    with services.database.read() as connection:
        return read_usage(connection, email)


@pytest.fixture
def replicas(services: Services) -> Iterator[list[Services]]:
    """Return services with separate connections, like those of several replicas of upload."""
    with ExitStack() as stack:
        replicas = [Services(services.settings) for _ in range(RACERS)]
        for replica in replicas:
            stack.callback(replica.database.engine.dispose)
            replica.database.check()
        yield replicas


def _race(replicas: list[Services], step: Callable[[Services], object]) -> list[type[object]]:
    """Take a step on all replicas at the same moment, and return the type of each result or refusal."""
    barrier = Barrier(len(replicas))

    def take(replica: Services) -> type[object]:
        barrier.wait(30)
        try:
            return type(step(replica))
        except (TooManyJobs, StorageFull) as refusal:
            return type(refusal)

    with ThreadPoolExecutor(len(replicas)) as pool:
        return list(pool.map(take, replicas))


def test_concurrent_uploads_cannot_exceed_the_limit_of_jobs_in_progress(
    services: Services, replicas: list[Services]
) -> None:
    for number in range(ROUNDS):
        email = f"{number}@example.org"
        limits = _limits(jobs=5)
        results = _race(
            replicas, lambda replica, email=email, limits=limits: _receive(replica.jobs, limits, email=email)
        )
        assert (results.count(Job), results.count(TooManyJobs)) == (5, RACERS - 5)
        assert _usage(services, email).jobs == 5


def test_concurrent_uploads_cannot_exceed_the_storage_limit(services: Services, replicas: list[Services]) -> None:
    for number in range(ROUNDS):
        email = f"{number}@example.org"
        limits = _limits(stored_bytes=499)
        step = lambda replica, email=email, limits=limits: _receive(replica.jobs, limits, size=100, email=email)  # noqa: E731
        results = _race(replicas, step)
        assert (results.count(Job), results.count(StorageFull)) == (4, RACERS - 4)
        assert _usage(services, email).stored_bytes == 400


def test_uploads_that_grow_concurrently_cannot_exceed_the_storage_limit(
    services: Services, replicas: list[Services]
) -> None:
    more = Reservation(100, _limits(stored_bytes=499))
    uploads = {id(replica): receiving_job(services) for replica in replicas}
    results = _race(replicas, lambda replica: replica.jobs.reserve(uploads[id(replica)], more))
    assert (results.count(bool), results.count(StorageFull)) == (4, RACERS - 4)
    assert _usage(services).stored_bytes == 400


def test_the_limits_apply_to_each_user_separately(services: Services) -> None:
    limits = _limits(jobs=1, stored_bytes=100)
    for email in (ADA, BOB):
        _receive(services.jobs, limits, size=100, email=email)
        with pytest.raises(TooManyJobs):
            _receive(services.jobs, limits, email=email)


def test_a_limit_of_zero_means_no_limit(services: Services) -> None:
    for _ in range(30):
        _receive(services.jobs, _limits(), size=2**50)
    assert _usage(services) == Usage(30, 30 * 2**50, awaiting_cleanup_bytes=0, uploads=30, upload_bytes=30 * 2**50)


def _expired(services: Services) -> Job:
    job = notified_job(services)
    age(services, job, 2 * RETENTION)
    assert services.jobs.expire(job, retention=RETENTION)
    return job_now(services, job.id)


def _deleted(services: Services) -> Job:
    job = failed_job(services)
    assert services.jobs.delete(job.id)
    return job_now(services, job.id)


def _cancelled(services: Services) -> Job:
    job = queued_job(services)
    assert services.jobs.cancel(job.id)
    return job_now(services, job.id)


def _importing(services: Services) -> Job:
    job = importing_job(services)
    claim = services.jobs.claim_import(job)
    assert claim
    assert services.jobs.reserve_import(claim, job.username, Reservation(100, _limits()))
    return job_now(services, job.id)


COUNTED: dict[State, tuple[Callable[[Services], Job], bool]] = {
    State.RECEIVING: (lambda services: _receive(services.jobs, _limits(), size=100), True),
    State.IMPORTING: (_importing, True),
    State.QUEUED: (queued_job, True),
    State.CONVERTING: (lambda services: claimed_job(services)[0], True),
    State.READY: (ready_job, False),
    State.FAILED: (failed_job, False),
    State.CANCELLED: (_cancelled, False),
    State.EXPIRED: (_expired, False),
    State.DELETED: (_deleted, False),
}


@pytest.mark.parametrize("state", State)
def test_a_job_s_files_count_in_every_state_until_they_are_deleted(services: Services, state: State) -> None:
    make, in_flight = COUNTED[state]
    job = make(services)
    size = (job.video_bytes or 0) + (job.mp3_bytes or 0)
    assert job.state == state
    assert size > 0
    awaiting = size if state in (State.EXPIRED, State.DELETED) else 0
    uploads = int(state in (State.RECEIVING, State.IMPORTING))
    assert _usage(services) == Usage(int(in_flight), size, awaiting, uploads=uploads, upload_bytes=uploads * size)
    if awaiting:
        assert dispose(job, services)
        assert _usage(services) == Usage(0, 0, awaiting_cleanup_bytes=0, uploads=0, upload_bytes=0)


def test_a_queued_job_counts_with_its_actual_size_instead_of_the_reservation(services: Services) -> None:
    job = _receive(services.jobs, _limits(), size=10_000)
    assert services.jobs.queue(job.id, video_bytes=100)
    assert _usage(services).stored_bytes == 100


def test_a_refused_upload_leaves_no_row(services: Services) -> None:
    _receive(services.jobs, _limits(), size=100)
    before = _usage(services)
    for limits in (_limits(jobs=1), _limits(stored_bytes=150)):
        with pytest.raises((TooManyJobs, StorageFull)):
            _receive(services.jobs, limits, size=51)
    assert _usage(services) == before


def test_a_video_of_another_program_is_adopted_even_at_the_limit_and_counts(services: Services) -> None:
    limits = _limits(jobs=1, stored_bytes=100)
    _receive(services.jobs, limits, size=100)
    assert services.jobs.adopt(video_fid=FID, username=ADA, video_bytes=50, traceparent=None)
    assert _usage(services) == Usage(2, 150, awaiting_cleanup_bytes=0, uploads=1, upload_bytes=100)


def _too_many(services: Services, *, limit: int) -> TooManyJobs:
    with pytest.raises(TooManyJobs) as refusal:
        _receive(services.jobs, _limits(jobs=limit))
    return refusal.value


def _refusal(services: Services, limits: Limits, *, size: int) -> StorageFull:
    with pytest.raises(StorageFull) as refusal:
        _receive(services.jobs, limits, size=size)
    return refusal.value


def test_the_error_for_too_many_jobs_states_a_remedy_and_when_to_retry(services: Services) -> None:
    queued_job(services)
    refusal = _too_many(services, limit=1)
    assert re.search(r"at most 1 jobs in progress.*Wait until one ends.*DELETE /jobs/ID", refusal.detail)
    assert "interrupted" not in refusal.detail
    assert refusal.headers == {"Retry-After": "30"}


def test_the_error_for_too_many_uploads_states_when_one_may_be_interrupted(services: Services) -> None:
    first, _ = _receive(services.jobs, _limits()), _receive(services.jobs, _limits())
    age(services, first, RECEIVE_SECONDS - 100)
    age(services, _receive(services.jobs, _limits(), email=BOB), RECEIVE_SECONDS - 10)
    refusal = _too_many(services, limit=2)
    assert "2 of them uploads" in refusal.detail
    assert "An interrupted upload counts for up to 20 minutes." in refusal.detail
    assert "DELETE" not in refusal.detail
    assert 90 < int(refusal.headers["Retry-After"]) <= 160


def test_the_error_for_too_many_jobs_mentions_that_interrupted_uploads_count(services: Services) -> None:
    queued_job(services)
    _receive(services.jobs, _limits())
    refusal = _too_many(services, limit=2)
    assert "DELETE /jobs/ID. An interrupted upload counts for up to 20 minutes." in refusal.detail
    assert refusal.headers == {"Retry-After": "30"}


def test_the_error_for_storage_full_of_uploads_states_when_one_may_be_interrupted(
    services: Services,
) -> None:
    age(services, _receive(services.jobs, _limits(), size=2**20), RECEIVE_SECONDS - 100)
    limits = _limits(stored_bytes=2**20 + len(MP4) + len(b"mp3"))
    refusal = _refusal(services, limits, size=2**20)
    assert "Uploads in progress take up 1.0 MiB. An interrupted upload counts for up to 20 minutes." in refusal.detail
    assert "DELETE" not in refusal.detail
    assert 60 < int(refusal.headers["Retry-After"]) <= 160
    notified_job(services)
    refusal = _refusal(services, limits, size=2**20)
    assert (
        "A resumable one counts until it expires or is deleted. Delete jobs that have ended: DELETE /jobs/ID."
        in refusal.detail
    )
    assert 60 < int(refusal.headers["Retry-After"]) <= 160


def test_an_upload_has_a_row_only_if_its_job_was_returned(services: Services) -> None:
    engine = services.database.engine
    services.database.check()
    committed: list[object] = []

    def note(*connection: object) -> None:
        committed.extend(connection)

    def fail(*_: object) -> None:
        if committed:
            raise sa.exc.OperationalError("SELECT", {}, Exception("the server has gone away"))

    sa.event.listen(engine, "commit", note)
    sa.event.listen(engine, "before_cursor_execute", fail)
    try:
        job = _receive(services.jobs, _limits())
    finally:
        sa.event.remove(engine, "commit", note)
        sa.event.remove(engine, "before_cursor_execute", fail)
    assert job == job_now(services, job.id)


def test_the_error_for_full_storage_states_when_the_first_job_expires(services: Services) -> None:
    first, _ = notified_job(services), notified_job(services)
    age(services, first, 600, "changed_at")
    age(services, first, 1200, "created_at", "delivered_at")
    for another in (notified_job(services, BOB), ready_job(services)):
        age(services, another, 1200)
    refusal = _refusal(services, _limits(stored_bytes=5000), size=4000)
    assert "DELETE /jobs/ID" in refusal.detail
    expires = datetime.fromtimestamp(job_now(services, first.id).changed_at + RETENTION, UTC)
    assert f"The first of them expires on {expires:%Y-%m-%d %H:%M} UTC." in refusal.detail
    assert RETENTION - 660 < int(refusal.headers["Retry-After"]) <= RETENTION - 600


def test_files_that_are_already_overdue_are_retried_after_the_next_cleanup(services: Services) -> None:
    age(services, notified_job(services), RETENTION + 600)
    assert _refusal(services, _limits(stored_bytes=3000), size=2000).headers == {"Retry-After": "1"}
    age(services, _receive(services.jobs, _limits(), email=BOB), RECEIVE_SECONDS + 600)
    with pytest.raises(TooManyJobs) as refusal:
        _receive(services.jobs, _limits(jobs=1), email=BOB)
    assert refusal.value.headers == {"Retry-After": "60"}


def test_sizes_are_stated_in_the_largest_unit_that_fits(services: Services) -> None:
    texts = {1023: "1023 bytes", 2**10: "1.0 KiB", 2**20: "1.0 MiB", 3 * 2**29: "1.5 GiB", 2**40: "1024.0 GiB"}
    _receive(services.jobs, _limits(), size=2)
    for size, text in texts.items():
        assert f"this upload needs {text} more" in _refusal(services, _limits(stored_bytes=1), size=size).detail


def test_an_upload_that_outgrows_the_storage_need_not_wait_for_itself(services: Services) -> None:
    notified_job(services)
    job = _receive(services.jobs, _limits(), size=2000)
    with pytest.raises(StorageFull) as refusal:
        services.jobs.reserve(job, Reservation(2000, _limits(stored_bytes=5000)))
    assert "Uploads in progress" not in refusal.value.detail
    assert "The first of them expires on" in refusal.value.detail
    assert int(refusal.value.headers["Retry-After"]) > RETENTION - 60


def test_there_is_no_retry_time_if_the_storage_is_full_of_unfinished_jobs(services: Services) -> None:
    queued_job(services)
    refusal = _refusal(services, _limits(stored_bytes=5000), size=4000)
    assert "take up 2.0 KiB of the 4.9 KiB that you may store, and this upload needs 3.9 KiB more" in refusal.detail
    assert refusal.headers == {}


def test_there_is_no_retry_time_if_jobs_are_kept_forever(services: Services) -> None:
    notified_job(services)
    assert _refusal(services, Limits(0, 3000, retention=10**18), size=2000).headers == {}


def test_a_user_who_has_deleted_enough_only_waits_for_cleanup(services: Services) -> None:
    job = _deleted(services)
    refusal = _refusal(services, _limits(stored_bytes=5000), size=5000)
    assert "in a minute" in refusal.detail
    assert refusal.headers == {"Retry-After": "60"}
    assert dispose(job, services)
    _receive(services.jobs, _limits(stored_bytes=5000), size=5000)


# test_query_plans.py has all plans of PostgreSQL, which reads the rows of an index that was changed lately.
@pytest.mark.parametrize("database_url", ["sqlite", pytest.param("mariadb", marks=pytest.mark.servers)], indirect=True)
def test_a_quota_is_measured_using_only_its_index(services: Services) -> None:
    for _ in range(30):
        for email in (ADA, BOB):
            ready_job(services, email=email)
    if services.database.engine.dialect.name != "sqlite":  # it plans by statistics, which a few rows make unpredictable
        with services.database.write() as connection:
            connection.exec_driver_sql("ANALYZE TABLE job")
    statements: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        if "SELECT" in statement:
            statements.append((statement, parameters))

    engine = services.database.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        _usage(services)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    ((statement, parameters),) = statements
    sqlite = engine.dialect.name == "sqlite"
    with services.database.read() as connection:
        explained = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN' if sqlite else ''} {statement}", parameters)
        steps = [dict(row) for row in explained.mappings()]
    if sqlite:
        reads = [str(step["detail"]) for step in steps if " job" in str(step["detail"])]
        assert all("USING COVERING INDEX job_in_quota (username=? AND state=?" in read for read in reads), reads
    else:
        reads = [step for step in steps if step["table"] == "job"]
        # With few rows, MariaDB reads single keys instead of a range.
        assert all(read["key"] == "job_in_quota" and read["type"] in ("range", "ref") for read in reads), reads
        assert all("Using index" in str(read["Extra"]) for read in reads), reads
    assert len(reads) == 2


def test_the_error_for_a_database_without_upload_locks_names_the_command_to_run(services: Services) -> None:
    with services.database.write() as connection:
        connection.execute(sa.text("DELETE FROM upload_lock"))
    try:
        with pytest.raises(DatabaseUnavailable, match="run `soundlift migrate`"):
            _receive(services.jobs, _limits(jobs=1))
    finally:
        with services.database.write() as connection:
            connection.execute(sa.text("DELETE FROM alembic_version"))
        migrate(services.settings.database_url)
    _receive(services.jobs, _limits(jobs=1))
