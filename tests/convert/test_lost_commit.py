"""A database that fails while a job is marked as ready: the MP3 of a job that may be ready is never deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from functions.convert.handler import convert
from soundlift.common.errors import DatabaseUnavailable
from soundlift.common.events import MP3_READY, event_for
from soundlift.common.jobs.model import CLAIM_SECONDS, Claim, Job, State
from soundlift.common.jobs.store import Jobs
from soundlift.common.services import Services
from tests.convert.outcome import assert_one_mp3, stored_mp3s
from tests.factories.jobs import age, job_now


class LostConnection(Jobs):
    """Jobs whose connection is lost while a job is marked as ready, before or after the commit."""

    commits = False
    before_loss: Callable[[], object] = staticmethod(lambda: None)

    def mark_ready(self, claim: Claim, **outcome: Any) -> bool:
        if self.commits:
            assert super().mark_ready(claim, **outcome)
        self.before_loss()
        raise DatabaseUnavailable("The database does not answer.")


class LostDatabase(LostConnection):
    """Jobs that cannot be released either."""

    def release(self, claim: Claim, *, cause: str) -> bool:
        raise DatabaseUnavailable("The database does not answer.")


def _convert_until_lost(services: Services, job: Job, jobs: LostConnection) -> None:
    """Convert a job with the given jobs, then give the services a working connection again."""
    working, services.jobs = services.jobs, jobs
    with pytest.raises(DatabaseUnavailable):
        convert(event_for(job), services)
    services.jobs = working


@pytest.mark.parametrize("lost", [LostConnection, LostDatabase])
def test_a_job_that_was_committed_as_ready_keeps_its_mp3(
    services: Services, job: Job, lost: type[LostConnection]
) -> None:
    jobs = lost(services.database)
    jobs.commits = True
    _convert_until_lost(services, job, jobs)
    assert_one_mp3(services, job)
    reply = convert(event_for(job), services)
    assert reply is not None
    assert reply.get_type() == MP3_READY
    assert_one_mp3(services, job)


def test_a_job_that_was_not_committed_is_released_without_an_mp3(services: Services, job: Job) -> None:
    _convert_until_lost(services, job, LostConnection(services.database))
    now = job_now(services, job.id)
    assert (now.state, now.attempts, now.last_cause) == (State.QUEUED, 0, "The database does not answer.")
    assert stored_mp3s(services) == []
    convert(event_for(job), services)
    assert_one_mp3(services, job)


def test_the_next_claim_deletes_the_mp3_of_a_job_that_could_not_be_released(services: Services, job: Job) -> None:
    _convert_until_lost(services, job, LostDatabase(services.database))
    assert job_now(services, job.id).state == State.CONVERTING
    abandoned = [path.name for path in stored_mp3s(services)]
    assert abandoned == [job_now(services, job.id).mp3_fid]
    age(services, job, CLAIM_SECONDS + 1)
    convert(event_for(job), services)
    assert_one_mp3(services, job)
    assert job_now(services, job.id).mp3_fid not in abandoned


def test_a_job_claimed_by_another_worker_meanwhile_leaves_no_mp3(services: Services, job: Job) -> None:
    def claim_by_another() -> None:
        age(services, job, CLAIM_SECONDS + 1, "claimed_until")
        assert services.jobs.claim(job_now(services, job.id))

    jobs = LostConnection(services.database)
    jobs.before_loss = claim_by_another
    _convert_until_lost(services, job, jobs)
    assert job_now(services, job.id).state == State.CONVERTING
    assert stored_mp3s(services) == []
