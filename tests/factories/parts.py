"""Makes what many tests begin with: signed-in headers, stored videos, jobs in a state, and waiting for a condition."""

from __future__ import annotations

import random
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, TypeVar

import sqlalchemy as sa

from soundlift.common.db.tables import jobs, notifications
from soundlift.common.errors import MediaNotFound, Unavailable
from soundlift.common.jobs.model import Claim, Job
from soundlift.common.media import MediaInfo, MediaStore
from soundlift.common.notifications.model import Channel, Notification, NotificationClaim
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services

DEADLINE_SECONDS = 30
JOB_TIMES = ("created_at", "changed_at", "upload_deadline", "resend_at", "purge_after", "claimed_until")
NOTIFICATION_TIMES = ("due_at", "claimed_until", "delivered_at")
MP4 = b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + bytes(2000)
Found = TypeVar("Found")


def wait_for(condition: Callable[[], Found | None], what: str, *, seconds: float = DEADLINE_SECONDS) -> Found:
    """Return what a condition finds, looking again until the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)
    return found


class Checked(Protocol):
    """Is a port that can be asked whether it is there."""

    def check(self) -> None: ...


def is_usable(port: Checked) -> bool:
    try:
        port.check()
    except Unavailable:
        return False
    return True


def free_port() -> int:
    """Return a port that nobody listens on, and that no outgoing connection gets by chance.

    Those come from the ephemeral ports, from 32768 on; a client that tries one of them again and again until its
    server is up may even connect to itself.
    """
    while True:
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", random.randrange(10_000, 32_000)))
            return int(listener.getsockname()[1])


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open no file, pipe or socket meanwhile, as where it has too many open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def bearer(services: Services, email: str = "ada@example.org", *, admin: bool = False) -> dict[str, str]:
    return {"Authorization": f"Bearer {services.tokens.sign_in(email, admin=admin)}"}


def store(media: MediaStore, fid: str, content: bytes) -> None:
    writer = media.create(fid, MediaInfo("ada@example.org", "a.mp4", "video/mp4", "job"))
    writer.write(content)
    writer.commit()


def is_stored(media: MediaStore, fid: str) -> bool:
    try:
        media.open(fid).file.close()
    except MediaNotFound:
        return False
    return True


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
    missing_seconds: float | None = None,
) -> Job:
    job = queued_job(services, name=name, email=email)
    claim = services.jobs.claim(job)
    assert claim is not None
    store(services.mp3s, claim.mp3_fid, mp3)
    assert services.jobs.ready(claim, mp3_bytes=len(mp3), length=187.0, missing_seconds=missing_seconds)
    return job_now(services, job.id)


def failed_job(services: Services, sentence: str = "There is no sound in it.") -> Job:
    job, claim = claimed_job(services)
    assert services.jobs.failed(claim, code="no_audio", sentence=sentence)
    return job_now(services, job.id)


def notified_job(services: Services, email: str = "ada@example.org") -> Job:
    job = ready_job(services, email=email)
    assert services.notifications.mark_delivered(claimed_mail(services, job))
    return job_now(services, job.id)


def claimed_mail(services: Services, job: Job) -> NotificationClaim:
    claim = services.notifications.claim(job.id, Channel.MAIL)
    assert claim is not None
    return claim


def mail_of(services: Services, job: Job) -> Notification:
    (mail,) = services.notifications.of([job.id])[job.id]
    return mail


def is_notified(services: Services, job_id: str) -> bool:
    """Return whether the mail of a job was delivered."""
    return any(one.delivered_at for one in services.notifications.of([job_id])[job_id])


def age(services: Services, job: Job, seconds: float, *columns: str) -> None:
    """Let time pass for a job and its notifications: move all times, or those of the named columns, into the past."""
    with services.database.write() as connection:
        for table, key, names in (
            (jobs, jobs.c.id, JOB_TIMES),
            (notifications, notifications.c.job, NOTIFICATION_TIMES),
        ):
            if times := {name: table.c[name] - seconds for name in names if name in (columns or names)}:
                connection.execute(sa.update(table).where(key == job.id).values(**times))
