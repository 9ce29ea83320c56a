"""What a killed worker has stored of an import that never gets a video is deleted soon, not with its job."""

from __future__ import annotations

import pytest

from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.model import CLAIM_SECONDS, Job
from soundlift.common.media import MediaInfo, list_files
from soundlift.common.media.resumable import resumable_files
from soundlift.common.services import Services
from tests.factories.jobs import age, job_now
from tests.fixtures.functions import Call
from tests.imports.sources import age_source, importing_job


def half_imported(services: Services) -> Job:
    """Return an import whose worker was killed after it had begun to store the video."""
    job = importing_job(services)
    claim = services.jobs.claim_import(job)
    assert claim is not None
    info = MediaInfo(job.username, "talk.mp4", "video/mp4", job.id)
    resumable_files(services.videos).begin(claim.video_fid, info, expected_bytes=1000)
    assert stored(services) == [claim.video_fid]
    return job_now(services, job.id)


def stored(services: Services) -> list[str]:
    """Return the ids of all videos of which something is stored."""
    return sorted({file.fid for file in list_files(services.videos)})


def test_what_is_stored_of_a_cancelled_import_is_deleted_once_its_worker_cannot_write_any_more(
    function: Call, services: Services
) -> None:
    job = half_imported(services)
    assert services.jobs.cancel(job.id)
    function("cleanup").post("/")
    assert stored(services) == [job.video_fid]  # the worker may be alive, and deletes it itself
    age(services, job, CLAIM_SECONDS + 1, "purge_after")
    function("cleanup").post("/")
    assert stored(services) == []
    assert job_now(services, job.id).state == "cancelled"
    assert services.jobs.history(job.id)[-1].step == Step.FILES_DELETED
    assert services.jobs.to_dispose() == []
    assert services.jobs.delete(job.id)
    function("cleanup").post("/")
    assert services.jobs.find(job.id) is None


@pytest.mark.parametrize("seconds", [CLAIM_SECONDS + 1, 24 * 3600 + 1])
def test_what_is_stored_of_an_import_that_is_given_up_is_deleted_by_the_same_run_of_cleanup(
    function: Call, services: Services, seconds: float
) -> None:
    job = half_imported(services)
    age_source(services, job, seconds)
    function("cleanup").post("/")
    given_up = seconds > 24 * 3600
    assert (job_now(services, job.id).state, stored(services)) == (
        ("failed", []) if given_up else ("importing", [job.video_fid])  # the next claim deletes it
    )
