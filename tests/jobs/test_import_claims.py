"""The claims of imports in each database: how many one user has, and which import is the next."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from soundlift.common.errors import UploadSuperseded
from soundlift.common.jobs.model import CLAIM_SECONDS, StoredPart
from soundlift.common.services import Services
from tests.factories.jobs import job_now
from tests.imports.sources import age_source, importing_job

ADA, BOB = "ada@example.org", "bob@example.org"


def test_concurrent_workers_never_import_more_videos_of_one_user_than_the_limit(services: Services) -> None:
    jobs = [importing_job(services) for _ in range(6)]
    claim = partial(services.jobs.claim_import, limit=2)
    with ThreadPoolExecutor(6) as workers:
        claims = list(filter(None, workers.map(claim, jobs)))
    assert len(claims) == 2
    assert claim(importing_job(services, email=BOB))
    waiting = next(job for job in jobs if job.id not in {one.job_id for one in claims})
    assert claim(waiting) is None
    assert services.jobs.fail_import(claims[0], code="import_failed", message="No.")
    third = claim(waiting)
    assert third is not None
    assert claim(importing_job(services)) is None
    age_source(services, job_now(services, third.job_id), CLAIM_SECONDS + 1)  # its worker was killed
    assert claim(importing_job(services))


def test_the_next_import_of_a_user_is_the_oldest_that_nobody_works_on_and_that_does_not_pause(
    services: Services,
) -> None:
    claimed, paused, first, second = jobs = [importing_job(services) for _ in range(4)]
    for age, job in enumerate(reversed(jobs)):
        age_source(services, job, age)
    other = importing_job(services, email=BOB)
    age_source(services, other, 60)
    assert services.jobs.claim_import(claimed)
    failed = services.jobs.claim_import(paused)
    assert failed is not None
    assert services.jobs.release_import(failed, cause="503", after=0)
    for expected in (first, second):
        following = services.jobs.next_import(ADA)
        assert following is not None
        assert following.id == expected.id
        assert services.jobs.claim_import(following)
    assert services.jobs.next_import(ADA) is None
    age_source(services, paused, 31)
    following = services.jobs.next_import(ADA)
    assert following is not None
    assert following.id == paused.id


def test_each_free_place_makes_the_event_of_another_import_due(services: Services) -> None:
    jobs = [importing_job(services) for _ in range(2)]
    assert services.jobs.due_imports() == []
    assert [services.jobs.send_next_import_soon(ADA) for _ in range(3)] == [True, True, False]
    assert {job.id for job in services.jobs.due_imports()} == {job.id for job in jobs}


def test_a_worker_whose_file_is_about_to_be_deleted_can_store_no_more_of_it(services: Services) -> None:
    part = StoredPart(received=1, state="s", length=9, validator='"1"', file_name=None, content_type=None)
    claim = services.jobs.claim_import(importing_job(services))
    assert claim is not None
    job = job_now(services, claim.job_id)
    assert services.jobs.fence_import(job) is None  # while it is claimed
    services.jobs.save_import(claim, replace(part, validator=None))
    age_source(services, job, CLAIM_SECONDS + 1)
    assert services.jobs.fence_import(job) is False
    with pytest.raises(UploadSuperseded):
        services.jobs.save_import(claim, part)
    assert services.jobs.fence_import(job) is False
    successor = services.jobs.claim_import(job)
    assert successor is not None
    assert successor.video_fid != claim.video_fid
    services.jobs.save_import(successor, part)
    age_source(services, job, CLAIM_SECONDS + 1)
    assert services.jobs.fence_import(job_now(services, job.id)) is True
    assert services.jobs.fence_import(job) is None  # its row names another file now
