"""Tells the owner of a job how it ended."""

from __future__ import annotations

import structlog
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.errors import Busy, MailRefused, SoundliftError
from soundlift.common.events import job_id_of
from soundlift.common.jobs.model import OUTCOMES, Claim, Job
from soundlift.common.logging import bind_job, continue_trace
from soundlift.common.services import Services
from soundlift.common.web.application import event_function

from .message import compose

RETRY_SECONDS = 30

log = structlog.get_logger()


def notify(event: CloudEvent, services: Services) -> CloudEvent | None:
    """Send one mail per job that ended, to its owner and nobody else; a repeat finds it sent.

    Raises Busy while another worker sends it, so that the event comes again: that worker may die of it.
    """
    job_id = job_id_of(event)
    bind_job(job_id)
    claim = services.jobs.claim_telling(job_id)
    job = services.jobs.find(job_id)
    if job:
        continue_trace(job.traceparent)
    if job and claim:
        _tell(job, claim, services)
    elif job and job.state in OUTCOMES and job.told_at is None:
        raise Busy("Another worker is sending this mail.", retry_after=RETRY_SECONDS)
    return None


def _tell(job: Job, claim: Claim, services: Services) -> None:
    try:
        services.mail.send(compose(job, services), recipient=job.username)
    except MailRefused as refusal:
        log.error("owner cannot be told", detail=refusal.detail)
        services.jobs.told(claim, mail_error=refusal.detail[:1000])
    except SoundliftError as error:
        services.jobs.not_told(claim, cause=error.detail)
        raise
    else:
        services.jobs.told(claim)


app = event_function(notify, needs=["database", "tokens", "mail"])
