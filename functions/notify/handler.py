"""Mail to the owner of a job that ended or of a failing webhook, and to whoever asks to choose a password."""

from __future__ import annotations

import structlog
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.errors import Busy, MailRefused, SoundliftError
from soundlift.common.events import LINK_REQUESTED, WEBHOOK_FAILING, job_id_from, link_id_from, webhook_id_from
from soundlift.common.jobs.model import Job
from soundlift.common.logging import bind_job
from soundlift.common.notifications.model import Channel, NotificationClaim
from soundlift.common.services import Services
from soundlift.common.tracing.jobs import job_span, log_job
from soundlift.common.web.application import event_function

from .message import compose_for_job
from .password_mail import send_password_mail
from .webhook_mail import send_webhook_mail

RETRY_SECONDS = 30

log = structlog.get_logger()


def notify(event: CloudEvent, services: Services) -> CloudEvent | None:
    """Send one mail per job that ended, link that was requested or webhook that fails; a repeated event sends no mail.

    Raises Busy while another worker sends the mail, so that the event is retried in case that worker dies.
    """
    if event.get_type() == LINK_REQUESTED:
        send_password_mail(link_id_from(event), services)
    elif event.get_type() == WEBHOOK_FAILING:
        send_webhook_mail(webhook_id_from(event), services)
    else:
        _notify_owner(job_id_from(event), services)
    return None


def _notify_owner(job_id: str, services: Services) -> None:
    bind_job(job_id)
    claim = services.notifications.claim(job_id, Channel.MAIL)
    job = services.jobs.find(job_id)
    if job:
        log_job(job)
    if job and claim and services.notifications.holds(claim):  # otherwise the job may have been retried before the read
        with job_span("send mail", job):
            _send(job, claim, services)
    elif services.notifications.is_pending(job_id, Channel.MAIL):
        raise Busy("Another worker is sending this mail.", retry_after=RETRY_SECONDS)


def _send(job: Job, claim: NotificationClaim, services: Services) -> None:
    try:
        services.mail.send(compose_for_job(job, services), recipient=job.username)
    except MailRefused as refusal:
        log.error("mail refused", detail=refusal.detail)
        services.notifications.give_up(claim, reason=refusal.detail)
    except SoundliftError as error:
        services.notifications.release(claim, cause=error.detail)
        raise
    else:
        services.notifications.mark_delivered(claim)


app = event_function(notify, needs=["database", "tokens", "mail"])
