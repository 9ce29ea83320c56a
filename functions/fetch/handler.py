"""The fetch function, which imports the video of a job from a URL; then the job is queued as after an upload."""

from __future__ import annotations

import time

import structlog
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.errors import DatabaseUnavailable, MediaNotFound, SoundliftError, Unavailable, UploadSuperseded
from soundlift.common.events import event_for, job_id_from
from soundlift.common.jobs.heartbeat import ClaimHeartbeat, ClaimLost
from soundlift.common.jobs.model import MAX_IMPORT_ATTEMPTS, ImportClaim, Job, State, StoredPart
from soundlift.common.logging import bind_job
from soundlift.common.services import Services
from soundlift.common.tracing.jobs import job_span, log_job
from soundlift.common.web.application import event_function

from .failures import ImportFailed
from .importing import import_video

# How long a worker begins further imports of the same user, which together with the last one takes less time than a
# delivery may (docs/connector.md).
TURN_SECONDS = 20.0

log = structlog.get_logger()


def fetch(event: CloudEvent, services: Services) -> CloudEvent | None:
    """Import the video of a job and then what else its owner imports, and return the event for the next step of one.

    The reply is made from the job's row, so a repeated event gets the same reply. None if the job is not ready for a
    next step: it is cancelled, another worker imports it, its owner has as many imports in progress as permitted, or
    another attempt follows, whose event cleanup sends.
    """
    job_id = job_id_from(event)
    bind_job(job_id)
    job = services.jobs.find(job_id)
    if job and job.state == State.IMPORTING:
        job = _work(job, services)
    if job:
        log_job(job)
    return event_for(job) if job and job.state in (State.QUEUED, State.FAILED) else None


def _work(job: Job, services: Services) -> Job | None:
    """Import a job, and then further ones of its owner whose events found no place; return the last as it is then.

    A reply has one event, so cleanup sends those of the others.
    """
    began = time.monotonic()
    following: Job | None = job
    ended: Job | None = None
    while following and _import(following, services):
        ended = services.jobs.find(following.id)
        is_over = time.monotonic() - began > TURN_SECONDS or services.shutdown.is_overdue(0)
        following = None if is_over else services.jobs.next_import(job.username)
        if following and ended and ended.state == State.QUEUED:
            services.jobs.send_soon(ended)
    if ended is None:
        return services.jobs.find(job.id)
    services.jobs.send_next_import_soon(job.username)
    return ended


def _import(job: Job, services: Services) -> bool:
    """Claim an import and attempt it, or give it up without attempts or time left; return whether this was done.

    It is not if another worker imports it, or its owner's imports have as many workers as permitted.
    """
    continues = services.jobs.fence_import(job)
    if continues is None:
        return False
    if not continues:
        services.videos.delete(job.video_fid)  # what a dead worker may have left behind
    with job_span("fetch", job):
        claim = services.jobs.claim_import(job, limit=services.settings.import_concurrency, continues=continues)
        if claim is None:
            return services.jobs.give_up_import(job)
        _attempt(job, claim, services)
    return True


def _attempt(job: Job, claim: ImportClaim, services: Services) -> None:
    """Import a claimed job, and queue or fail it, or let another attempt follow.

    If neither the server nor the file is the cause of an error, release the job and raise the error.
    """
    try:
        with _heartbeat(claim, services) as heartbeat:
            imported = import_video(job, claim, heartbeat, services)
    except ImportFailed as failure:
        _end_attempt(claim, failure, services)
    except (ClaimLost, UploadSuperseded):
        _discard_unless_used(claim, services)
    except MediaNotFound as error:
        _begin_anew(claim, error, services)
    except SoundliftError as error:
        services.jobs.release_import(claim, cause=error.detail, keeps_part=True)
        raise
    else:
        _queue(imported, claim, services)


def _begin_anew(claim: ImportClaim, error: MediaNotFound, services: Services) -> None:
    """Release a job of which the store has lost the beginning; if the claim was lost, the next worker has deleted it.

    Raises Unavailable, so that the event is delivered again.
    """
    if not services.jobs.release_import(claim, cause=error.detail):
        _discard_unless_used(claim, services)
        return
    _discard(claim, services)
    raise Unavailable(f"{error.detail} The import begins anew.", **error.evidence)


def _heartbeat(claim: ImportClaim, services: Services) -> ClaimHeartbeat:
    return ClaimHeartbeat(lambda percent: services.jobs.renew_import(claim, percent=percent), services)


def _end_attempt(claim: ImportClaim, failure: ImportFailed, services: Services) -> None:
    log.info("not imported", code=failure.code, detail=failure.message, attempt=claim.attempts)
    if failure.is_transient and claim.attempts < MAX_IMPORT_ATTEMPTS:
        is_mine = services.jobs.release_import(claim, cause=failure.message, after=failure.retry_after)
    else:
        is_mine = services.jobs.fail_import(claim, code=failure.code, message=failure.message)
    if is_mine:
        _discard(claim, services)
    else:
        _discard_unless_used(claim, services)


def _queue(imported: StoredPart, claim: ImportClaim, services: Services) -> None:
    """Queue the job of a complete file; if the claim was lost, delete the file."""
    try:
        queued = services.jobs.finish_import(
            claim, video_bytes=imported.received, file_name=imported.file_name, content_type=imported.content_type
        )
    except DatabaseUnavailable as error:
        _release_unless_queued(claim, services, cause=error.detail)
        raise
    if queued:
        log.info("imported", bytes=imported.received)
    else:
        _discard_unless_used(claim, services)


def _release_unless_queued(claim: ImportClaim, services: Services, *, cause: str) -> None:
    """Release a job that may be queued, because its transaction may have been committed before an error.

    The file is deleted only if the job was released, or no row names the file. If the database cannot be asked, the
    next claim or cleanup deletes it.
    """
    if services.jobs.release_import(claim, cause=cause) or services.jobs.find_by_video(claim.video_fid) is None:
        _discard(claim, services)


def _discard_unless_used(claim: ImportClaim, services: Services) -> None:
    """Delete what a lost claim has stored, unless it is the video of the job, or another worker continues it."""
    log.info("claim lost")
    job = services.jobs.find_by_video(claim.video_fid)
    if job is None or not (job.state == State.IMPORTING or job.has_video):
        _discard(claim, services)


def _discard(claim: ImportClaim, services: Services) -> None:
    """Delete what this claim has stored; if the store is unavailable, the next claim deletes it."""
    try:
        services.videos.delete(claim.video_fid)
    except SoundliftError as error:
        log.warning("video not deleted yet", code=error.code, **error.evidence)


app = event_function(fetch, needs=["database", "videos"])
