"""Every step of a job and of its notifications, and a job in every state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from soundlift.common.db.tables import jobs as table
from soundlift.common.db.tables import notifications
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import Claim, ImportClaim, Job, State
from soundlift.common.jobs.quota import Reservation
from soundlift.common.notifications.model import Channel, NotificationClaim
from soundlift.common.services import Services
from tests.factories.jobs import (
    MP3_SOUND,
    age,
    claimed_job,
    failed_job,
    job_now,
    notified_job,
    queued_job,
    ready_job,
    receiving_job,
)
from tests.imports.sources import importing_job, source_rows

NO_TOKEN = "0" * 24
NO_LIMITS = Limits(jobs=0, stored_bytes=0, retention=60)

Step = Callable[[Services, Job], object]


def own_claim(job: Job) -> Claim:
    """Return the claim in the row that was read."""
    return Claim(job_id=job.id, token=job.claim or NO_TOKEN, mp3_fid=job.mp3_fid or "")


def mail_claim(services: Services, job: Job) -> NotificationClaim:
    """Return a new claim of the job's mail, or an invalid one if it cannot be claimed."""
    return services.notifications.claim(job.id, Channel.MAIL) or NotificationClaim(job.id, Channel.MAIL, NO_TOKEN)


def import_claim(services: Services, job: Job) -> ImportClaim:
    """Return a new claim of an import, or an invalid one if it cannot be claimed."""
    return services.jobs.claim_import(job) or ImportClaim(job.id, NO_TOKEN, NO_TOKEN, "https://a.org/", False, 1)


STEPS: dict[str, Step] = {
    "extend_deadline": lambda services, job: services.jobs.extend_deadline(job.id),
    "reserve": lambda services, job: services.jobs.reserve(job, Reservation(1, NO_LIMITS)),
    "queue": lambda services, job: services.jobs.queue(job.id, video_bytes=1),
    "roll_back": lambda services, job: services.jobs.roll_back(job.id),
    "cancel_upload": lambda services, job: services.jobs.cancel_upload(job.id),
    "take_over": lambda services, job: services.jobs.take_over(job),
    "claim_import": lambda services, job: services.jobs.claim_import(job),
    "renew_import": lambda services, job: services.jobs.renew_import(import_claim(services, job), percent=1),
    "reserve_import": lambda services, job: services.jobs.reserve_import(
        import_claim(services, job), job.username, Reservation(1, NO_LIMITS)
    ),
    "finish_import": lambda services, job: services.jobs.finish_import(
        import_claim(services, job), video_bytes=1, file_name="b.mp4", content_type=None
    ),
    "fail_import": lambda services, job: services.jobs.fail_import(import_claim(services, job), code="x", message="x"),
    "release_import": lambda services, job: services.jobs.release_import(import_claim(services, job), cause="x"),
    "cancel_import": lambda services, job: services.jobs.cancel_import(job.id),
    "give_up_import": lambda services, job: services.jobs.give_up_import(job),
    "postpone_import": lambda services, job: services.jobs.postpone_import(job),
    "send_import_soon": lambda services, job: services.jobs.send_import_soon(job),
    "send_soon": lambda services, job: services.jobs.send_soon(job),
    "inherit_resend": lambda services, job: services.jobs.inherit_resend(job.id, replace(job, resend_at=1.0)),
    "claim": lambda services, job: services.jobs.claim(job),
    "renew": lambda services, job: services.jobs.renew(own_claim(job), percent=1),
    "ready": lambda services, job: services.jobs.mark_ready(own_claim(job), audio=MP3_SOUND, mp3_bytes=1, length=1.0),
    "failed": lambda services, job: services.jobs.mark_failed(own_claim(job), code="x", message="x"),
    "release": lambda services, job: services.jobs.release(own_claim(job), cause="x"),
    "give_up": lambda services, job: services.jobs.give_up(job),
    "cancel": lambda services, job: services.jobs.cancel(job.id),
    "retry": lambda services, job: services.jobs.retry(job, NO_LIMITS),
    "delete": lambda services, job: services.jobs.delete(job.id),
    "expire": lambda services, job: services.jobs.expire(job, retention=60),
    "abandon": lambda services, job: services.jobs.abandon(job),
    "disposed": lambda services, job: services.jobs.mark_disposed(job),
    "postpone": lambda services, job: services.jobs.postpone(job),
    "claim_mail": lambda services, job: services.notifications.claim(job.id, Channel.MAIL),
    "mark_delivered": lambda services, job: services.notifications.mark_delivered(mail_claim(services, job)),
    "give_up_mail": lambda services, job: services.notifications.give_up(mail_claim(services, job), reason="x"),
    "release_mail": lambda services, job: services.notifications.release(mail_claim(services, job), cause="x"),
    "postpone_mail": lambda services, job: services.notifications.postpone(job),
    "send_mail_soon": lambda services, job: services.notifications.send_soon(job),
}


def cancelled_job(services: Services) -> Job:
    job = queued_job(services)
    assert services.jobs.cancel(job.id)
    return job_now(services, job.id)


def expired_job(services: Services) -> Job:
    job = notified_job(services)
    age(services, job, 3600)
    assert services.jobs.expire(job, retention=60)
    return job_now(services, job.id)


def deleted_job(services: Services) -> Job:
    job = ready_job(services)
    assert services.jobs.delete(job.id)
    return job_now(services, job.id)


def adopted_job(services: Services, video: bytes = b"1") -> Job:
    video_fid = "a" * 24
    assert services.jobs.adopt(
        video_fid=video_fid, username="ada@example.org", video_bytes=len(video), traceparent=None
    )
    return job_now(services, video_fid)


MAKERS: dict[State, Callable[[Services], Job]] = {
    State.RECEIVING: receiving_job,
    State.IMPORTING: importing_job,
    State.QUEUED: queued_job,
    State.CONVERTING: lambda services: claimed_job(services)[0],
    State.READY: ready_job,
    State.FAILED: failed_job,
    State.CANCELLED: cancelled_job,
    State.EXPIRED: expired_job,
    State.DELETED: deleted_job,
}


def row_of(services: Services, job: Job) -> Any:
    with services.database.read() as connection:
        return connection.execute(sa.select(table).where(table.c.id == job.id)).one_or_none()


def source_rows_of(services: Services, job: Job) -> list[Any]:
    return [row for row in source_rows(services) if row.job == job.id]


def notification_rows(services: Services, job: Job) -> list[Any]:
    with services.database.read() as connection:
        return list(connection.execute(sa.select(notifications).where(notifications.c.job == job.id)))
