"""The convert function, which converts a job's video into an audio file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import BoundedSemaphore

import structlog
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.errors import Busy, DatabaseUnavailable, SoundliftError, StoreUnavailable
from soundlift.common.events import event_for
from soundlift.common.jobs.disposal import delete_abandoned_output
from soundlift.common.jobs.heartbeat import ClaimLost
from soundlift.common.jobs.model import CLAIM_SECONDS, OUTCOMES, WAITING, Claim, Job
from soundlift.common.logging import bind_job
from soundlift.common.process.temporary_folders import temporary_folder
from soundlift.common.services import Services
from soundlift.common.tracing.jobs import job_span, log_job
from soundlift.common.web.application import event_function

from .adoption import find_or_adopt_job_id
from .choice import MAX_CHOICES, MAX_LOST_RACES, choose
from .conversion import convert_video
from .disk import worker_errors_as_unavailable
from .failures import ConversionFailed
from .heartbeat import ConversionHeartbeat
from .output.finish import FinishedFile
from .output.store import store_audio

_slots: dict[int, BoundedSemaphore] = {}  # by CONVERT_CONCURRENCY
_running: set[Claim] = set()
log = structlog.get_logger()


def convert(event: CloudEvent, services: Services) -> CloudEvent | None:
    """Convert the video of a job and return the event of its outcome.

    An event permits one conversion: that of the job whose turn it is, which need not be the job that the event names.
    There are as many events as jobs, so each gets its turn; cleanup replaces those that are lost. If none waits, the
    reply is made from the row of the job that the event names, so a repeated event gets the same reply; None if there
    is no such job or it is cancelled.
    """
    named_id = find_or_adopt_job_id(event, services)
    bind_job(named_id)
    ended_id = _convert_next(named_id, services)
    job = services.jobs.find(ended_id or named_id)
    if job:
        log_job(job)
    if job and job.state in WAITING:
        raise Busy("Another worker is converting this job; retry later.", retry_after=CLAIM_SECONDS)
    return event_for(job) if job and job.state in OUTCOMES else None


def _convert_next(named_id: str, services: Services) -> str | None:
    """Convert or give up the job whose turn it is, and return its id; None if no job waits for a worker.

    Other workers may choose the same job at the same time; those that fail to claim it try others. Raises Busy if this
    worker is at its concurrency limit, or others took every job that it tried.
    """
    for choice in range(MAX_CHOICES):
        jobs = choose(services.jobs, choice)
        if not jobs:
            return None
        if ended_id := _convert_one_of(jobs, named_id, services):
            return ended_id
    raise Busy("Other workers took every job that was chosen; retry shortly.", retry_after=1)


def _convert_one_of(jobs: Sequence[Job], named_id: str, services: Services) -> str | None:
    """Convert the first of some jobs that other workers do not take, and return the id of the job that ended."""
    error: StoreUnavailable | None = None
    lost_races = 0
    for job in jobs:
        try:
            delete_abandoned_output(job, services)
        except StoreUnavailable as unavailable:  # a file that cannot be deleted must not hold up the other jobs
            error = unavailable
            continue
        if ended_id := _convert_one(job, named_id, services):
            return ended_id
        lost_races += 1
        if lost_races == MAX_LOST_RACES:
            break
    if error:  # each failure may have taken as long as the store's timeout
        raise error
    return None


def _convert_one(job: Job, named_id: str, services: Services) -> str | None:
    """Convert a job in its turn, and return the id of the job that ended; None if another worker took this one.

    If the job has to be released, convert the one that the event names: otherwise a few jobs that always fail would use
    up all deliveries of the events of others.
    """
    if job.id != named_id:
        services.jobs.inherit_resend(named_id, job)
    try:
        return job.id if _claim_and_convert(job, services) else None
    except Busy:
        raise
    except SoundliftError as error:
        named = services.jobs.find(named_id)
        if job.id == named_id or named is None or named.state not in WAITING or services.shutdown.is_overdue(0):
            raise
        log.warning("job released, the one that the event names is next", code=error.code, **error.evidence)
        delete_abandoned_output(named, services)
        if not _claim_and_convert(named, services):
            raise
        return named_id


def _claim_and_convert(job: Job, services: Services) -> bool:
    """Claim a job and convert it, or give it up without attempts or time left; return whether this ended the job."""
    with _slot(services), job_span("convert", job):
        claim = services.jobs.claim(job)
        if claim is None:  # another worker took it, or it has no attempts or time left
            return services.jobs.give_up(job)
        return _convert_claimed(job, claim, services)


@contextmanager
def _slot(services: Services) -> Iterator[None]:
    cores = services.settings.convert_concurrency
    slots = _slots.setdefault(cores, BoundedSemaphore(cores))
    if not slots.acquire(blocking=False):
        raise Busy("This worker is at its concurrency limit; retry shortly.", retry_after=1)
    try:
        yield
    finally:
        slots.release()


def _convert_claimed(job: Job, claim: Claim, services: Services) -> bool:
    """Convert the claimed job, mark it as ready or failed, and return whether this ended it: the claim may be lost.

    If the video is not the cause of an error, release the job and raise the error.
    """
    try:
        audio = _convert(job, claim, services)
    except ConversionFailed as failure:
        log.info("not convertible", code=failure.reason.code)
        _discard(claim, services)
        return services.jobs.mark_failed(claim, code=failure.reason.code, message=failure.reason.message)
    except ClaimLost:
        log.info("claim lost")
        _discard(claim, services)
        return False
    except SoundliftError as error:
        _discard(claim, services)
        services.jobs.release(claim, cause=error.detail)
        raise
    return _mark_ready(audio, claim, services)


def _mark_ready(audio: FinishedFile, claim: Claim, services: Services) -> bool:
    """Mark the job as ready, and return True; if the claim was lost, delete the audio file."""
    try:
        is_ready = services.jobs.mark_ready(
            claim,
            audio=audio.description,
            mp3_bytes=audio.size,
            length=audio.seconds,
            missing_seconds=audio.missing_seconds,
            waveform=audio.waveform,
        )
    except DatabaseUnavailable as error:
        _release_unless_ready(claim, services, cause=error.detail)
        raise
    if is_ready:
        log.info("converted", seconds=audio.seconds, bytes=audio.size, missing_seconds=audio.missing_seconds)
    else:
        log.info("claim lost")
        _discard(claim, services)
    return is_ready


def _release_unless_ready(claim: Claim, services: Services, *, cause: str) -> None:
    """Release a job that may be ready, because its transaction may have been committed before the connection was lost.

    The audio file is deleted only if the job was released, or its row names another file. If the database cannot be
    asked, the next claim or cleanup deletes the file.
    """
    if services.jobs.release(claim, cause=cause) or services.jobs.find_by_mp3(claim.mp3_fid) is None:
        _discard(claim, services)


def _convert(job: Job, claim: Claim, services: Services) -> FinishedFile:
    with (
        worker_errors_as_unavailable(),
        ConversionHeartbeat(claim, services) as heartbeat,
        temporary_folder() as folder,
    ):
        with _spare_cores(claim, services) as spare_cores:
            audio = convert_video(job, folder, heartbeat, services, spare_cores=spare_cores)
            store_audio(job, audio, str(claim.mp3_fid), heartbeat, services)
        heartbeat.check()
    return audio


@contextmanager
def _spare_cores(claim: Claim, services: Services) -> Iterator[int]:
    """Yield the number of cores that no conversion of this process uses, this one included."""
    _running.add(claim)
    try:
        yield services.settings.convert_concurrency - len(_running)
    finally:
        _running.discard(claim)


def _discard(claim: Claim, services: Services) -> None:
    """Delete this claim's audio file; if the store is unavailable, the next claim deletes it."""
    try:
        services.mp3s.delete(str(claim.mp3_fid))
    except SoundliftError as error:
        log.warning("audio file not deleted yet", code=error.code, **error.evidence)


app = event_function(convert, needs=["database", "videos", "mp3s", "sandbox"])
