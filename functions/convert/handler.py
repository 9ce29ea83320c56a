"""The convert function, which converts a job's video into an audio file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

import structlog
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.errors import Busy, DatabaseUnavailable, SoundliftError
from soundlift.common.events import event_for
from soundlift.common.jobs.disposal import delete_abandoned_output
from soundlift.common.jobs.model import OUTCOMES, WAITING, Claim, Job
from soundlift.common.jobs.store import CLAIM_SECONDS
from soundlift.common.logging import bind_job, continue_trace
from soundlift.common.process.temporary_folders import temporary_folder
from soundlift.common.services import Services
from soundlift.common.web.application import event_function

from .adoption import find_or_adopt_job_id
from .conversion import convert_video
from .disk import worker_errors_as_unavailable
from .failures import ConversionFailed
from .heartbeat import ClaimHeartbeat, ClaimLost
from .output.finish import FinishedFile
from .output.store import store_audio

_slots: dict[int, BoundedSemaphore] = {}  # by CONVERT_CONCURRENCY
_running: set[Claim] = set()
log = structlog.get_logger()


def convert(event: CloudEvent, services: Services) -> CloudEvent | None:
    """Convert the video of a job and return the event of its outcome.

    The event is made from the job's row, so a repeated event gets the same reply. Returns None if there is no such job
    or it is cancelled.
    """
    job_id = find_or_adopt_job_id(event, services)
    bind_job(job_id)
    job = services.jobs.find(job_id)
    if job:
        continue_trace(job.traceparent)
    if job and job.state in WAITING:
        _claim_and_convert(job, services)
        job = services.jobs.find(job_id)
    return event_for(job) if job and job.state in OUTCOMES else None


def _claim_and_convert(job: Job, services: Services) -> None:
    """Claim the job and convert it, unless its attempts are used up; raises Busy while another worker converts it.

    After Busy the event is delivered again. If the other worker's reply was lost, that delivery is answered with it.
    """
    if not job.claim_lapsed:
        raise _claimed_by_another()
    delete_abandoned_output(job, services)
    if services.jobs.give_up(job):
        return
    cores = services.settings.convert_concurrency
    slots = _slots.setdefault(cores, BoundedSemaphore(cores))
    if not slots.acquire(blocking=False):
        raise Busy("This worker is at its concurrency limit; retry shortly.")
    try:
        claim = services.jobs.claim(job)
        if claim is None:
            _check_ended(job, services)
            return
        _convert_claimed(job, claim, services)
    finally:
        slots.release()


def _check_ended(job: Job, services: Services) -> None:
    """Raise Busy unless the job has ended since its row was read."""
    found = services.jobs.find(job.id)
    if found and found.state in WAITING:
        raise _claimed_by_another()


def _claimed_by_another() -> Busy:
    return Busy("Another worker is converting this job; retry later.", retry_after=CLAIM_SECONDS)


def _convert_claimed(job: Job, claim: Claim, services: Services) -> None:
    """Convert the claimed job, and mark it as ready or failed; if the video is not the cause, release it and raise."""
    try:
        audio = _convert(job, claim, services)
    except ConversionFailed as failure:
        log.info("not convertible", code=failure.reason.code)
        _discard(claim, services)
        services.jobs.mark_failed(claim, code=failure.reason.code, message=failure.reason.message)
    except ClaimLost:
        log.info("claim lost")
        _discard(claim, services)
    except SoundliftError as error:
        _discard(claim, services)
        services.jobs.release(claim, cause=error.detail)
        raise
    else:
        _mark_ready(audio, claim, services)


def _mark_ready(audio: FinishedFile, claim: Claim, services: Services) -> None:
    """Mark the job as ready; if the claim was lost, delete the audio file."""
    try:
        is_ready = services.jobs.mark_ready(
            claim,
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


def _release_unless_ready(claim: Claim, services: Services, *, cause: str) -> None:
    """Release a job that may be ready, because its transaction may have been committed before the connection was lost.

    The audio file is deleted only if the job was released, or its row names another file. If the database cannot be
    asked, the next claim or cleanup deletes the file.
    """
    if services.jobs.release(claim, cause=cause) or services.jobs.find_by_mp3(claim.mp3_fid) is None:
        _discard(claim, services)


def _convert(job: Job, claim: Claim, services: Services) -> FinishedFile:
    with worker_errors_as_unavailable(), ClaimHeartbeat(claim, services) as heartbeat, temporary_folder() as folder:
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
