"""Concurrent workers, each with its own connection to the same database, try the same step."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from devservers.waiting import wait_for
from soundlift.common.db.clock import now
from soundlift.common.db.tables import deletions, job_sources
from soundlift.common.db.tables import jobs as table
from soundlift.common.errors import TooManyJobs
from soundlift.common.jobs.cursor import Cursor
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import CLAIM_SECONDS, Job, State
from soundlift.common.notifications.model import Channel
from soundlift.common.services import Services
from tests.factories.jobs import MP3_SOUND, age, claimed_job, claimed_mail, failed_job, job_now, queued_job, ready_job
from tests.factories.races import race
from tests.imports.sources import age_source, importing_job
from tests.jobs.steps import NO_LIMITS, cancelled_job, expired_job

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

ROUNDS = 20


def _lapsed(services: Services) -> Job:
    job, _ = claimed_job(services)
    age(services, job, CLAIM_SECONDS + 1)
    return job_now(services, job.id)


def _notified_failure(services: Services) -> Job:
    job = failed_job(services)
    assert services.notifications.mark_delivered(claimed_mail(services, job))
    return job_now(services, job.id)


def _long_expired(services: Services) -> Job:
    job = expired_job(services)
    assert services.jobs.mark_disposed(job)
    age(services, job, 3600)
    return job


@pytest.mark.parametrize("make", [queued_job, _lapsed])
def test_exactly_one_of_several_workers_claims_a_job(services: Services, make: Callable[[Services], Job]) -> None:
    for _ in range(ROUNDS):
        job = make(services)
        answers = race(services, [lambda rival, job=job: rival.jobs.claim(job)] * 4)
        assert len([answer for answer in answers if answer]) == 1
        assert job_now(services, job.id).attempts == job.attempts + 1


def test_a_job_is_either_ready_or_cancelled_but_never_both(services: Services) -> None:
    for _ in range(ROUNDS):
        job, claim = claimed_job(services)
        answers = race(
            services,
            [
                lambda rival, claim=claim: rival.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=1.0),
                lambda rival, job=job: rival.jobs.cancel(job.id),
            ],
        )
        assert sorted(answers) == [False, True]


def test_each_old_row_is_deleted_and_recorded_once_by_several_cleanups_and_its_owner(services: Services) -> None:
    for _ in range(ROUNDS):
        jobs = [_long_expired(services) for _ in range(5)]
        answers = race(
            services,
            [
                lambda rival: rival.jobs.delete_old_rows(retention=60),
                lambda rival: rival.jobs.delete_old_rows(retention=60),
                lambda rival, job=jobs[0]: rival.jobs.delete(job.id),
            ],
        )
        assert sum(map(int, answers)) == len(jobs)
        ids = sa.select(deletions.c.job).where(deletions.c.job.in_([job.id for job in jobs]))
        with services.database.read() as connection:
            assert set(connection.scalars(ids)) == {job.id for job in jobs}


def test_one_of_two_workers_claims_a_notification(services: Services) -> None:
    for _ in range(ROUNDS):
        job = ready_job(services)
        answers = race(services, [lambda rival, job=job: rival.notifications.claim(job.id, Channel.MAIL)] * 2)
        assert len([answer for answer in answers if answer]) == 1


def test_a_claim_lasts_its_full_time_even_if_its_worker_waited_for_the_row(services: Services) -> None:
    job, rival = queued_job(services), Services(services.settings)
    change = sa.update(table).where(table.c.id == job.id).values(percent=1)
    with ThreadPoolExecutor() as pool:
        with services.database.write() as holder:
            holder.execute(change)
            end = holder.scalar(sa.select(now())) + 1
            waiting = pool.submit(rival.jobs.claim, job)
            wait_for(lambda: holder.scalar(sa.select(now())) > end, "a second of the claim would be over")
            free = holder.scalar(sa.select(now()))
        assert waiting.result(timeout=30) is not None
    with services.database.read() as connection:
        claimed_until = connection.scalar(sa.select(table.c.claimed_until).where(table.c.id == job.id))
    rival.database.engine.dispose()
    assert claimed_until >= free + CLAIM_SECONDS


@pytest.mark.parametrize(
    "rival_step",
    [
        lambda services, job: services.jobs.delete(job.id),
        lambda services, job: services.jobs.expire(job, retention=60),
        lambda services, job: services.jobs.retry(job, NO_LIMITS),
    ],
    ids=["delete", "expire", "retry"],
)
@pytest.mark.parametrize("make", [cancelled_job, _notified_failure])
def test_a_retry_and_a_step_that_excludes_it_are_never_both_taken(
    services: Services, make: Callable[[Services], Job], rival_step: Callable[[Services, Job], object]
) -> None:
    for _ in range(ROUNDS):
        job = make(services)
        age(services, job, 3600)
        answers = race(
            services,
            [
                lambda rival, job=job: rival.jobs.retry(job, NO_LIMITS),
                lambda rival, job=job: rival_step(rival, job),
            ],
        )
        assert len([answer for answer in answers if answer]) == 1
        found = job_now(services, job.id)
        assert (found.state == State.QUEUED) == (found.retries == 1)
        assert found.retries <= 1


def test_parallel_retries_never_exceed_the_limit_of_jobs_in_progress(services: Services) -> None:
    limits = Limits(jobs=2, stored_bytes=0, retention=60)

    def retry(rival: Services, job: Job) -> object:
        try:
            return rival.jobs.retry(job, limits)
        except TooManyJobs:
            return None

    for _ in range(ROUNDS // 4):
        jobs = [cancelled_job(services) for _ in range(4)]
        answers = race(services, [lambda rival, job=job: retry(rival, job) for job in jobs])
        queued = [answer for answer in answers if isinstance(answer, Job)]
        assert len(queued) == 2
        assert all(services.jobs.cancel(job.id) for job in queued)


def test_a_retry_during_the_delivery_of_the_earlier_outcome_leaves_no_notification(services: Services) -> None:
    for _ in range(ROUNDS):
        job = failed_job(services)
        claim = claimed_mail(services, job)
        race(
            services,
            [
                lambda rival, job=job: rival.jobs.retry(job, NO_LIMITS),
                lambda rival, claim=claim: rival.notifications.mark_delivered(claim),
            ],
        )
        assert job_now(services, job.id).state == State.QUEUED
        assert not services.notifications.holds(claim)
        assert services.notifications.by_job([job.id])[job.id] == []


def test_a_reader_of_changes_sees_every_one_of_many_concurrent_steps(services: Services) -> None:
    jobs = [queued_job(services) for _ in range(8)]
    moment = services.jobs.moment()
    updates = services.jobs.updates(None, since=Cursor.start(moment))
    cursor, seen = Cursor.after(updates, moment, None), {job.id: job.state for job in jobs}

    def work(rival: Services, job: Job) -> None:
        claim = rival.jobs.claim(job)
        assert claim is not None
        for percent in range(0, 100, 20):
            rival.jobs.renew(claim, percent=percent)
        rival.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=1.0)

    with ThreadPoolExecutor() as pool:
        racing = pool.submit(race, services, [lambda rival, job=job: work(rival, job) for job in jobs])
        is_last = False
        while not is_last:
            is_last = racing.done()
            moment = services.jobs.moment()
            updates = services.jobs.updates(None, since=cursor.since)
            changed = services.jobs.find_all(change.job_id for change in cursor.changes(updates))
            seen |= {job.id: job.state for job in changed}
            cursor = Cursor.after(updates, moment, None, since=cursor.since)
        racing.result()
    assert set(seen.values()) == {State.READY}


def test_a_claim_that_a_late_renewal_beats_leaves_the_import_its_file(services: Services) -> None:
    job = importing_job(services)
    claim = services.jobs.claim_import(job)
    assert claim is not None
    age_source(services, job, CLAIM_SECONDS + 1)
    renewal = sa.update(job_sources).where(job_sources.c.job == job.id).values(claimed_until=now() + CLAIM_SECONDS)
    with ThreadPoolExecutor(1) as pool:
        with services.database.write() as connection:
            connection.execute(renewal)
            rival = pool.submit(services.jobs.claim_import, job_now(services, job.id))
            with pytest.raises(TimeoutError):  # it waits for the row
                rival.result(1)
        assert rival.result(timeout=30) is None
    assert job_now(services, job.id).video_fid == claim.video_fid
    assert services.jobs.finish_import(claim, video_bytes=1, file_name=None, content_type=None)
