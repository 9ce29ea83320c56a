"""Makes jobs in each state, with their files in the store."""

from __future__ import annotations

import sqlalchemy as sa

from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import Claim, Job
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services
from tests.factories.media import store

TIMES = ("created_at", "changed_at", "due_at", "claimed_until", "told_at")
MP4 = b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + bytes(2000)


def job_now(services: Services, job_id: str) -> Job:
    job = services.jobs.find(job_id)
    assert job is not None
    return job


def receiving_job(services: Services, name: str = "a.mp4", email: str = "ada@example.org") -> Job:
    return services.jobs.receive(username=email, file_name=name, content_type="video/mp4", traceparent=None)


def queued_job(
    services: Services,
    video: bytes = MP4,
    name: str = "a.mp4",
    email: str = "ada@example.org",
    *,
    options: AudioOptions | None = None,
) -> Job:
    job = receiving_job(services, name, email)
    store(services.videos, job.video_fid, video)
    asked = options.to_json() if options else None
    assert services.jobs.queue(job.id, video_bytes=len(video), options=asked)
    return job_now(services, job.id)


def claimed_job(services: Services, email: str = "ada@example.org") -> tuple[Job, Claim]:
    job = queued_job(services, email=email)
    claim = services.jobs.claim(job)
    assert claim is not None
    return job_now(services, job.id), claim


def ready_job(
    services: Services,
    mp3: bytes = b"mp3",
    name: str = "a.mp4",
    email: str = "ada@example.org",
    lost: float | None = None,
) -> Job:
    job = queued_job(services, name=name, email=email)
    claim = services.jobs.claim(job)
    assert claim is not None
    assert claim.mp3_fid is not None
    store(services.mp3s, claim.mp3_fid, mp3)
    assert services.jobs.ready(claim, mp3_bytes=len(mp3), length=187.0, lost=lost)
    return job_now(services, job.id)


def failed_job(services: Services, sentence: str = "There is no sound in it.") -> Job:
    job, claim = claimed_job(services)
    assert services.jobs.failed(claim, code="no_audio", sentence=sentence)
    return job_now(services, job.id)


def told_job(services: Services, email: str = "ada@example.org") -> Job:
    job = ready_job(services, email=email)
    telling = services.jobs.claim_telling(job.id)
    assert telling is not None
    assert services.jobs.told(telling)
    return job_now(services, job.id)


def age(services: Services, job: Job, seconds: float, *columns: str) -> None:
    """Let time pass for one job: move its times into the past, all of them or those of the named columns."""
    times = {name: table.c[name] - seconds for name in columns or TIMES}
    with services.database.write() as connection:
        connection.execute(sa.update(table).where(table.c.id == job.id).values(**times))
