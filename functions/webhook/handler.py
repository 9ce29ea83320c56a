"""Webhooks: signed requests to the endpoints of the owner of a job that ended (Standard Webhooks 1.0)."""

from __future__ import annotations

import math
import time
from http import HTTPStatus

import structlog
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.errors import Busy
from soundlift.common.events import DELIVERY_DUE, delivery_event, delivery_id_from, job_id_from
from soundlift.common.jobs.model import OUTCOMES, Job, State
from soundlift.common.logging import bind_job
from soundlift.common.services import Services
from soundlift.common.tracing.jobs import job_span, log_job
from soundlift.common.web.application import event_function
from soundlift.common.webhooks.endpoints import DISABLED
from soundlift.common.webhooks.model import TYPE_OF_STATE, Delivery, DeliveryClaim, EndpointState, Failure

from .payload import body_of
from .signed_request import Accepted, send

TURN_SECONDS = 20.0  # after which a further delivery of the same user is left to another event
MAX_WAIT_SECONDS = 60  # an attempt that is due later is left to cleanup

log = structlog.get_logger()


def webhook(event: CloudEvent, services: Services) -> CloudEvent | None:
    """Make the attempts that are due for a job or for one delivery, then others of the same user.

    A user has only a few workers at a time, each of which goes on with whatever of that user's is due. Returns the
    event of a delivery that is left over. Raises Busy if an attempt is due soon, or if its worker may have died.
    """
    if event.get_type() == DELIVERY_DUE:
        delivery_id = delivery_id_from(event)
        job = _log_event_job(event.get_subject(), services)
        claim = services.deliveries.claim_one(delivery_id)
        leftover = _work(claim, services)
        wait = None if leftover else services.deliveries.wait_seconds(delivery_id=delivery_id)
    else:
        job_id = job_id_from(event)
        job = _log_event_job(job_id, services)
        leftover = _work(services.deliveries.claim_of_job(job_id), services)
        wait = None if leftover else services.deliveries.wait_seconds(job_id=job_id)
    if job:
        log_job(job)  # the other deliveries may have been of other jobs
    if wait is not None and wait <= MAX_WAIT_SECONDS:
        raise Busy("An attempt at this delivery is in progress, or due soon.", retry_after=math.ceil(wait))
    return leftover


def _log_event_job(job_id: str | None, services: Services) -> Job | None:
    """Make the log lines of this event continue the trace of its job."""
    if job_id is None:
        return None
    bind_job(job_id)
    job = services.jobs.find(job_id)
    if job:
        log_job(job)
    return job


def _work(claim: DeliveryClaim | None, services: Services) -> CloudEvent | None:
    """Make an attempt, and further ones of the same user; return the event of a delivery that is left over."""
    began = time.monotonic()
    while claim:
        username = claim.delivery.username
        _attempt(claim, services)
        if time.monotonic() - began > TURN_SECONDS or services.shutdown.is_overdue(0):
            following = services.deliveries.next_due(username)
            return delivery_event(following) if following else None
        claim = services.deliveries.claim_next(username)
    return None


def _attempt(claim: DeliveryClaim, services: Services) -> None:
    delivery = claim.delivery
    if delivery.job is None:
        _send(claim, None, services)
        return
    job = services.jobs.find(delivery.job)
    if job is None or not _announces(delivery, job):
        services.deliveries.drop(claim)
        return
    with job_span("send webhook", job):
        _send(claim, job, services)


def _announces(delivery: Delivery, job: Job) -> bool:
    """Return whether a job is still what its delivery announces; it is not if it was deleted or retried."""
    if job.state in OUTCOMES:
        return TYPE_OF_STATE[job.state] == delivery.type
    return job.state == State.EXPIRED


def _send(claim: DeliveryClaim, job: Job | None, services: Services) -> None:
    """Make one attempt, and record its outcome; an unexpected error leaves it to the end of the claim."""
    deliveries, delivery = services.deliveries, claim.delivery
    endpoint = services.webhooks.find(delivery.webhook)
    if endpoint is None:
        deliveries.drop(claim)
        return
    if endpoint.disabled:
        deliveries.give_up(claim, Failure(f"The webhook is disabled. {endpoint.detail or DISABLED}"))
        return
    outcome = send(delivery, endpoint, body_of(delivery, job, services.settings), services.outbound)
    about = {"webhook": delivery.webhook, "delivery": delivery.id, "attempt": delivery.attempts}
    match outcome:
        case Accepted(status):
            log.info("webhook delivered", status=status, **about)
            deliveries.mark_delivered(claim, status=status)
        case Failure(error, status):
            log.warning("webhook failed", status=status, detail=error, **about)
            _record_failure(claim, outcome, services)


def _record_failure(claim: DeliveryClaim, failure: Failure, services: Services) -> None:
    """Plan the next attempt. After the last one, the endpoint is failing; after a 410, it is disabled."""
    if failure.status == HTTPStatus.GONE:
        services.deliveries.give_up(claim, failure, endpoint_state=EndpointState.DISABLED)
    elif claim.delivery.may_repeat:
        services.deliveries.postpone_attempt(claim, failure)
    else:
        is_test = claim.delivery.job is None
        services.deliveries.give_up(claim, failure, endpoint_state=None if is_test else EndpointState.FAILING)


app = event_function(webhook, needs=["database", "outbound"])
