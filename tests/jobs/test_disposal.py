"""What is deleted of a job that nobody converts any more, and when."""

from __future__ import annotations

import pytest

from soundlift.common.errors import StoreUnavailable
from soundlift.common.jobs.disposal import give_up
from soundlift.common.jobs.model import GIVE_UP_SECONDS, State
from soundlift.common.jobs.store import CLAIM_SECONDS
from soundlift.common.services import Services
from tests.factories.jobs import age, claimed_job, job_now
from tests.factories.media import is_stored, store
from tests.factories.stores import Refusing


def test_a_job_is_given_up_when_the_store_has_deleted_its_half_mp3_and_not_before(services: Services) -> None:
    job, claim = claimed_job(services)
    store(services.mp3s, str(claim.mp3_fid), b"half")
    age(services, job, GIVE_UP_SECONDS)
    job = job_now(services, job.id)
    mp3s = services.mp3s
    services.mp3s = Refusing(mp3s, "delete")
    with pytest.raises(StoreUnavailable):
        give_up(job, services)
    assert job_now(services, job.id) == job
    services.mp3s = mp3s
    assert give_up(job, services)
    assert job_now(services, job.id).state == State.FAILED
    assert not is_stored(mp3s, str(claim.mp3_fid))


def test_nothing_is_deleted_of_a_job_whose_worker_has_its_claim(services: Services) -> None:
    job, claim = claimed_job(services)
    store(services.mp3s, str(claim.mp3_fid), b"half")
    age(services, job, CLAIM_SECONDS - 10, "claimed_until")
    age(services, job, GIVE_UP_SECONDS, "created_at")
    assert not give_up(job_now(services, job.id), services)
    assert job_now(services, job.id).state == State.CONVERTING
    assert is_stored(services.mp3s, str(claim.mp3_fid))
