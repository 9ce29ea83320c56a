"""What a conversion leaves in the store."""

from __future__ import annotations

from pathlib import Path

from soundlift.common.jobs.model import Job, State
from soundlift.common.services import Services
from tests.factories.jobs import job_now


def stored_mp3s(services: Services) -> list[Path]:
    return list((services.settings.soundlift_data / "media" / "mp3s").glob("*"))


def assert_one_mp3(services: Services, job: Job) -> None:
    """Assert that the job is ready, and that its MP3 is all there is."""
    job = job_now(services, job.id)
    assert job.state == State.READY
    assert [path.name for path in stored_mp3s(services)] == [job.mp3_fid]
