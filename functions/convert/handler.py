"""Makes the MP3 of a job's video."""

from __future__ import annotations

import structlog
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.errors import Busy, SoundliftError
from soundlift.common.events import event_of
from soundlift.common.jobs.disposal import give_up
from soundlift.common.jobs.model import OUTCOMES, WAITING, Claim, Job
from soundlift.common.jobs.store import CLAIM_SECONDS
from soundlift.common.logging import bind_job, continue_trace
from soundlift.common.process.temporary_folders import temporary_folder
from soundlift.common.services import Services
from soundlift.common.web.application import event_function
from soundlift.common.web.concurrency_limit import Places

from .adoption import job_id_or_adopted
from .conversion import Mp3, make_mp3, store_mp3
from .disk import workers_trouble_is_unavailable
from .failures import ConversionFailed
from .heartbeat import ClaimLost, Keeper

_places = Places()
log = structlog.get_logger()


def convert(event: CloudEvent, services: Services) -> CloudEvent | None:
    """Bring a job to its end and answer the event that tells it, made from the row, also for a repeat.

    Answers nothing where there is no such job, or it is cancelled.
    """
    job_id = job_id_or_adopted(event, services)
    bind_job(job_id)
    job = services.jobs.find(job_id)
    if job:
        continue_trace(job.traceparent)
    if job and job.state in WAITING:
        _work(job, services)
        job = services.jobs.find(job_id)
    return event_of(job) if job and job.state in OUTCOMES else None


def _work(job: Job, services: Services) -> None:
    """Claim the job and convert it, unless its tries are used up; raises Busy while another worker has it.

    The event has to come again then. If the other worker's reply is lost, this delivery returns it.
    """
    if not job.claim_lapsed:
        raise _claimed()
    if give_up(job, services):
        return
    cores = services.settings.convert_concurrency
    if not _places.take(cores):
        raise Busy("This worker is at its concurrency limit.")
    try:
        claim = services.jobs.claim(job)
        if claim is None:
            _check_ended(job, services)
            return
        _convert_claimed(job, claim, cores - _places.taken, services)
    finally:
        _places.give_back()


def _check_ended(job: Job, services: Services) -> None:
    """Raise Busy unless the job has ended since its row was read, so that nobody is converting it."""
    found = services.jobs.find(job.id)
    if found and found.state in WAITING:
        raise _claimed()


def _claimed() -> Busy:
    return Busy("Another worker is converting this job.", retry_after=CLAIM_SECONDS)


def _convert_claimed(job: Job, claim: Claim, spare_cores: int, services: Services) -> None:
    """Take the claimed job to ready or failed; hand it back, and raise, when the trouble is not the video's."""
    try:
        mp3 = _convert(job, claim, spare_cores, services)
        if not services.jobs.ready(claim, mp3_bytes=mp3.size, length=mp3.seconds, missing_seconds=mp3.lost):
            raise ClaimLost
        log.info("converted", seconds=mp3.seconds, bytes=mp3.size, missing_seconds=mp3.lost)
    except ConversionFailed as failure:
        log.info("not convertible", code=failure.verdict.code)
        _discard(claim, services)
        services.jobs.failed(claim, code=failure.verdict.code, sentence=failure.verdict.sentence)
    except ClaimLost:
        log.info("claim lost")
        _discard(claim, services)
    except SoundliftError as error:
        _discard(claim, services)
        services.jobs.release(claim, cause=error.detail)
        raise


def _convert(job: Job, claim: Claim, spare_cores: int, services: Services) -> Mp3:
    with workers_trouble_is_unavailable(), Keeper(claim, services) as keeper, temporary_folder() as folder:
        mp3 = make_mp3(job, folder, keeper, services, spare_cores=spare_cores)
        store_mp3(job, mp3, str(claim.mp3_fid), keeper, services)
        keeper.check()
    return mp3


def _discard(claim: Claim, services: Services) -> None:
    """Delete our MP3; where the store is away, the row still names it, and the next claim deletes it."""
    try:
        services.mp3s.delete(str(claim.mp3_fid))
    except SoundliftError as error:
        log.warning("MP3 left to be deleted", code=error.code, **error.evidence)


app = event_function(convert, needs=["database", "videos", "mp3s"])
