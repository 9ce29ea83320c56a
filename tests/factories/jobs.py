"""Jobs in each state, with their files in the stores."""

from __future__ import annotations

import sqlalchemy as sa

from soundlift.common.db.tables import jobs, notifications, webhook_deliveries
from soundlift.common.jobs.model import AudioDescription, Claim, Job
from soundlift.common.jobs.upload_keys import UploadKey
from soundlift.common.notifications.model import Channel, Notification, NotificationClaim
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services
from tests.factories.media import store

JOB_TIMES = (
    "created_at",
    "changed_at",
    "ended_at",
    "updated_at",
    "retried_at",
    "upload_deadline",
    "resend_at",
    "purge_after",
    "claimed_until",
)
NOTIFICATION_TIMES = ("due_at", "claimed_until", "delivered_at")
DELIVERY_TIMES = (*NOTIFICATION_TIMES, "created_at", "resend_at")
MP3_SOUND = AudioDescription(format="mp3", codec="mp3", bitrate=128, sample_rate=44100, channels=2, copied=False)
MP4 = b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + bytes(2000)


def job_now(services: Services, job_id: str) -> Job:
    job = services.jobs.find(job_id)
    assert job is not None
    return job


def receiving_job(
    services: Services, name: str = "a.mp4", email: str = "ada@example.org", *, key: UploadKey | None = None
) -> Job:
    return services.jobs.receive(username=email, file_name=name, content_type="video/mp4", traceparent=None, key=key)


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
    text = options.to_json() if options else None
    assert services.jobs.queue(job.id, video_bytes=len(video), options=text)
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
    missing_seconds: float | None = None,
    audio: AudioDescription = MP3_SOUND,
) -> Job:
    job = queued_job(services, name=name, email=email)
    claim = services.jobs.claim(job)
    assert claim is not None
    store(services.mp3s, claim.mp3_fid, mp3)
    assert services.jobs.mark_ready(
        claim, audio=audio, mp3_bytes=len(mp3), length=187.0, missing_seconds=missing_seconds
    )
    return job_now(services, job.id)


def failed_job(services: Services, sentence: str = "There is no sound in it.", email: str = "ada@example.org") -> Job:
    job, claim = claimed_job(services, email)
    assert services.jobs.mark_failed(claim, code="no_audio", message=sentence)
    return job_now(services, job.id)


def notified_job(services: Services, email: str = "ada@example.org") -> Job:
    job = ready_job(services, email=email)
    assert services.notifications.mark_delivered(claimed_mail(services, job))
    return job_now(services, job.id)


def claimed_mail(services: Services, job: Job) -> NotificationClaim:
    claim = services.notifications.claim(job.id, Channel.MAIL)
    assert claim is not None
    return claim


def mail_notification(services: Services, job: Job) -> Notification:
    (mail,) = services.notifications.by_job([job.id])[job.id]
    return mail


def is_notified(services: Services, job_id: str) -> bool:
    """Return whether a job's mail was delivered."""
    found = services.notifications.by_job([job_id])[job_id]
    return any(one.delivered_at for one in found if one.channel == Channel.MAIL)


def age(services: Services, job: Job, seconds: float, *columns: str) -> None:
    """Move all times of a job, its notifications and deliveries, or those in the named columns, into the past."""
    with services.database.write() as connection:
        for table, key, names in (
            (jobs, jobs.c.id, JOB_TIMES),
            (notifications, notifications.c.job, NOTIFICATION_TIMES),
            (webhook_deliveries, webhook_deliveries.c.job, DELIVERY_TIMES),
        ):
            if times := {name: table.c[name] - seconds for name in names if name in (columns or names)}:
                connection.execute(sa.update(table).where(key == job.id).values(**times))
