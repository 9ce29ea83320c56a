"""The order in which queued jobs are converted: fair to each user, whatever the others have queued."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import CLAIM_SECONDS, Job, State
from soundlift.common.services import Services
from tests.factories.backlog import queue_many
from tests.factories.jobs import age, claimed_job, failed_job, job_now, queued_job, receiving_job
from tests.factories.races import race
from tests.jobs.steps import NO_LIMITS

ADA, BOB = "ada@example.org", "bob@example.org"
FID = "f" * 24


def _claim_next(services: Services) -> Job:
    """Claim the job whose turn it is, as convert does."""
    (job,) = services.jobs.next_in_turn(1)
    assert services.jobs.claim(job)
    return job


def _order(services: Services) -> list[str]:
    """Return the users in the order in which their queued jobs are converted."""
    return [job.username.partition("@")[0] for job in services.jobs.next_in_turn(100)]


def test_the_first_job_of_a_user_waits_for_two_of_another_users_10_000(services: Services) -> None:
    queue_many(services, 10_000)
    mine = queued_job(services, email=BOB)
    converted = [_claim_next(services) for _ in range(3)]
    assert [job.username for job in converted] == [ADA, ADA, BOB]
    assert converted[-1].id == mine.id


def test_the_jobs_of_one_user_are_converted_in_the_order_of_their_uploads(services: Services) -> None:
    ids = [queued_job(services).id for _ in range(5)]
    assert [_claim_next(services).id for _ in ids] == ids


def test_users_take_turns(services: Services) -> None:
    for email, count in ((ADA, 4), (BOB, 2), ("eve@example.org", 1)):
        for _ in range(count):
            queued_job(services, email=email)
    assert _order(services) == ["ada", "ada", "bob", "eve", "ada", "bob", "ada"]


def test_every_job_gets_its_turn_though_new_users_keep_coming(services: Services) -> None:
    mine = [queued_job(services).id for _ in range(4)]
    for number in range(2):
        queued_job(services, email=f"{number}@example.org")
    converted: list[str] = []
    while not set(mine) <= set(converted):
        assert len(converted) < 40
        converted.append(_claim_next(services).id)
        queued_job(services, email=f"new{len(converted)}@example.org")
    assert [job_id for job_id in converted if job_id in mine] == mine


@pytest.mark.parametrize("video", ["uploaded", "of another program"])
def test_a_job_that_fails_for_another_reason_than_its_video_goes_behind_its_owners_others(
    services: Services, video: str
) -> None:
    if video == "uploaded":
        job = queued_job(services)
    else:
        assert services.jobs.adopt(video_fid=FID, username=ADA, video_bytes=1, traceparent=None)
        job = job_now(services, FID)
    for email in (ADA, ADA, BOB):
        queued_job(services, email=email)
    claim = services.jobs.claim(job)
    assert claim
    assert services.jobs.release(claim, cause="The disk is full.")
    assert [found.id == job.id for found in services.jobs.next_in_turn(9)] == [False, False, False, True]


def test_jobs_that_always_fail_leave_another_user_every_second_turn(services: Services) -> None:
    for email in (*[ADA] * 6, *[BOB] * 3):
        queued_job(services, email=email)
    tried = []
    for _ in range(9):
        (job,) = services.jobs.next_in_turn(1)
        claim = services.jobs.claim(job)
        assert claim
        tried.append(job.username)
        if job.username == ADA:
            assert services.jobs.release(claim, cause="The file is missing.")
    assert tried.count(BOB) == 3


def test_a_retried_job_is_queued_behind_its_owners_others(services: Services) -> None:
    failed = failed_job(services)
    for email in (ADA, ADA, BOB):
        queued_job(services, email=email)
    assert services.jobs.retry(failed, NO_LIMITS)
    assert _order(services) == ["ada", "ada", "bob", "ada"]
    assert services.jobs.next_in_turn(9)[-1].id == failed.id


def test_a_job_whose_worker_died_is_first(services: Services) -> None:
    job, _ = claimed_job(services)
    queued_job(services, email=BOB)
    assert _order(services) == ["bob"]
    age(services, job, CLAIM_SECONDS + 1)
    assert _order(services) == ["ada", "bob"]


@pytest.mark.parametrize("end", ["claim", "cancel"])
def test_only_a_queued_job_has_a_turn(services: Services, end: str) -> None:
    job = queued_job(services)
    assert services.jobs.claim(job) if end == "claim" else services.jobs.cancel(job.id)
    with services.database.read() as connection:
        assert connection.scalar(sa.select(table.c.turn).where(table.c.id == job.id)) is None


@pytest.mark.parametrize(  # no older release has used PostgreSQL
    "database_url", ["sqlite", pytest.param("mariadb", marks=pytest.mark.servers)], indirect=True
)
def test_jobs_that_functions_of_an_older_release_queue_are_first_and_change_no_other_turn(services: Services) -> None:
    for email in (ADA, ADA, ADA):
        queued_job(services, email=email)
    old = queued_job(services, email="eve@example.org")
    with services.database.write() as connection:
        connection.execute(sa.update(table).where(table.c.id == old.id).values(turn=None))
    queued_job(services, email=BOB)
    assert _order(services) == ["eve", "ada", "ada", "bob", "ada"]


def test_uploads_of_one_user_that_end_at_the_same_moment_get_different_turns(services: Services) -> None:
    uploads = [receiving_job(services) for _ in range(8)]
    steps = [lambda rival, job=job: rival.jobs.queue(job.id, video_bytes=1) for job in uploads]
    assert all(race(services, steps))
    with services.database.read() as connection:
        turns = connection.scalars(sa.select(table.c.turn).where(table.c.state == State.QUEUED)).all()
    assert sorted(turns) == list(range(1, 9))
