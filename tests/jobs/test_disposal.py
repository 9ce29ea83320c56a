"""What is deleted of a job that nobody converts any more, and when."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from functions.convert.handler import convert
from soundlift.common.db.tables import jobs as table
from soundlift.common.errors import StoreUnavailable
from soundlift.common.events import event_for
from soundlift.common.jobs.disposal import delete_abandoned_output
from soundlift.common.jobs.model import CLAIM_SECONDS, GIVE_UP_SECONDS, State
from soundlift.common.services import Services
from tests.factories.jobs import age, claimed_job, job_now
from tests.factories.media import is_stored, store
from tests.factories.stores import RefusingStore


def test_a_job_is_given_up_after_the_store_has_deleted_its_half_mp3(services: Services) -> None:
    job, claim = claimed_job(services)
    store(services.mp3s, str(claim.mp3_fid), b"half")
    age(services, job, GIVE_UP_SECONDS)
    job = job_now(services, job.id)
    mp3s = services.mp3s
    services.mp3s = RefusingStore(mp3s, "delete")
    with pytest.raises(StoreUnavailable):
        convert(event_for(job), services)
    assert job_now(services, job.id) == job
    services.mp3s = mp3s
    assert convert(event_for(job), services) is not None
    assert job_now(services, job.id).state == State.FAILED
    assert not is_stored(mp3s, str(claim.mp3_fid))


def test_nothing_is_deleted_of_a_job_whose_worker_has_its_claim(services: Services) -> None:
    job, claim = claimed_job(services)
    store(services.mp3s, str(claim.mp3_fid), b"half")
    age(services, job, CLAIM_SECONDS - 10, "claimed_until")
    age(services, job, GIVE_UP_SECONDS, "created_at")
    job = job_now(services, job.id)
    delete_abandoned_output(job, services)
    assert not services.jobs.give_up(job)
    assert job_now(services, job.id).state == State.CONVERTING
    assert is_stored(services.mp3s, str(claim.mp3_fid))


def test_a_job_that_ends_just_as_its_claim_lapses_keeps_its_mp3(services: Services) -> None:
    job, claim = claimed_job(services)
    store(services.mp3s, claim.mp3_fid, b"complete")
    age(services, job, CLAIM_SECONDS + 1, "claimed_until")
    worker = Services(services.settings)
    with ThreadPoolExecutor() as pool:
        with services.database.write() as ending:
            ready = {"state": State.READY, "claim": None, "claimed_until": None}
            ending.execute(sa.update(table).where(table.c.id == job.id).values(**ready))
            seen = job_now(worker, job.id)  # read before the commit
            deletion = pool.submit(delete_abandoned_output, seen, worker)
            with pytest.raises(TimeoutError):
                deletion.result(timeout=0.5)
        deletion.result(timeout=30)
    worker.database.engine.dispose()
    assert (seen.state, seen.claim_lapsed) == (State.CONVERTING, True)
    assert is_stored(services.mp3s, claim.mp3_fid)
