"""Concurrent workers, each with its own connection to the same database, try the same step."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa

from devservers.waiting import wait_for
from soundlift.common.db.clock import now
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.store import CLAIM_SECONDS
from soundlift.common.notifications.model import Channel
from soundlift.common.services import Services
from tests.factories.jobs import age, claimed_job, job_now, queued_job, ready_job

ROUNDS = 20


def _race(services: Services, steps: list[Callable[[Services], object]]) -> list[object]:
    """Take the steps at the same moment, each over its own connection, and return their results."""
    barrier = Barrier(len(steps))
    rivals = [Services(services.settings) for _ in steps]

    def take(rival: Services, step: Callable[[Services], object]) -> object:
        rival.jobs.find("warm the connection")
        barrier.wait()
        return step(rival)

    with ThreadPoolExecutor(len(steps)) as pool:
        answers = list(pool.map(take, rivals, steps))
    for rival in rivals:
        rival.database.engine.dispose()
    return answers


def _lapsed(services: Services) -> Job:
    job, _ = claimed_job(services)
    age(services, job, CLAIM_SECONDS + 1)
    return job_now(services, job.id)


@pytest.mark.parametrize("make", [queued_job, _lapsed])
def test_exactly_one_of_several_workers_claims_a_job(services: Services, make: Callable[[Services], Job]) -> None:
    for _ in range(ROUNDS):
        job = make(services)
        answers = _race(services, [lambda rival, job=job: rival.jobs.claim(job)] * 4)
        assert len([answer for answer in answers if answer]) == 1
        assert job_now(services, job.id).attempts == job.attempts + 1


def test_a_job_is_either_ready_or_cancelled_but_never_both(services: Services) -> None:
    for _ in range(ROUNDS):
        job, claim = claimed_job(services)
        answers = _race(
            services,
            [
                lambda rival, claim=claim: rival.jobs.mark_ready(claim, mp3_bytes=1, length=1.0),
                lambda rival, job=job: rival.jobs.cancel(job.id),
            ],
        )
        assert sorted(answers) == [False, True]


def test_one_of_two_workers_claims_a_notification(services: Services) -> None:
    for _ in range(ROUNDS):
        job = ready_job(services)
        answers = _race(services, [lambda rival, job=job: rival.notifications.claim(job.id, Channel.MAIL)] * 2)
        assert len([answer for answer in answers if answer]) == 1


def test_a_claim_lasts_its_full_time_even_if_its_worker_waited_for_the_row(services: Services) -> None:
    job, rival = queued_job(services), Services(services.settings)
    row = sa.select(table.c.id, now()).where(table.c.id == job.id)
    with ThreadPoolExecutor() as pool:
        with services.database.write() as holder:
            end = holder.execute(row.with_for_update()).one()[1] + 1
            waiting = pool.submit(rival.jobs.claim, job)
            wait_for(lambda: holder.scalar(sa.select(now())) > end, "a second of the claim would be over")
            free = holder.scalar(sa.select(now()))
        assert waiting.result(timeout=30) is not None
    with services.database.read() as connection:
        claimed_until = connection.scalar(sa.select(table.c.claimed_until).where(table.c.id == job.id))
    rival.database.engine.dispose()
    assert claimed_until >= free + CLAIM_SECONDS
