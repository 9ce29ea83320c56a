"""Resends overdue events, and deletes files, rows and other records that have expired; called every minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import structlog
from cloudevents.core.v1.event import CloudEvent
from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.errors import BrokerUnavailable, SettingError, StoreUnavailable
from soundlift.common.events import (
    delivery_event,
    event_for,
    link_event,
    traceparent_from,
    webhook_failing_event,
)
from soundlift.common.jobs.arrivals import make_arrived_jobs
from soundlift.common.jobs.disposal import delete_abandoned_output, dispose
from soundlift.common.jobs.history import delete_orphaned_history
from soundlift.common.jobs.model import Job, State
from soundlift.common.jobs.recent import delete_old_counts
from soundlift.common.logging import trace_of
from soundlift.common.process.temporary_folders import sweep_temporary_folders
from soundlift.common.services import Services
from soundlift.common.web.application import http_function

log = structlog.get_logger()


def cleanup(request: Request, services: Services) -> ResponseReturnValue:
    """Return how much was done. If several runs are concurrent, only one of them takes each step."""
    _log_dead_letter(request, services)
    sent = _send_due(services)
    make_arrived_jobs(services)
    _expire(services)
    disposed = _dispose(services)
    services.jobs.delete_old_rows(retention=services.settings.row_retention_seconds)
    services.sessions.delete_expired()
    services.api_keys.delete_old()
    services.password_links.delete_old()
    services.attempts.delete_expired()
    services.deliveries.delete_old()
    services.webhooks.forget_previous_secrets()
    services.jobs.delete_old_deletions()
    services.jobs.delete_old_keys()
    services.resumable_uploads.delete_expired()
    delete_orphaned_history(services.database)
    delete_old_counts(services.database)
    sweep_temporary_folders()
    return jsonify(expired=disposed.count(State.EXPIRED), orphans=disposed.count(State.DELETED), sent=sent)


def _log_dead_letter(request: Request, services: Services) -> None:
    """Log an event that Knative could not deliver; like any other event, it is resent when it is due."""
    if destination := request.headers.get("Ce-Knativeerrordest"):
        names = ("Type", "Id", "Subject", "Knativeerrorcode")
        attributes = {name.lower(): request.headers.get(f"Ce-{name}") for name in names}
        log.error("dead letter", destination=destination, **attributes)
        if services.metrics:
            services.metrics.dead_letters.inc()


def _send_due(services: Services) -> int:
    """Return how many events were sent; none without a publisher, whose address Knative sets after the start."""
    try:
        publisher = services.publisher
    except SettingError as error:
        log.error("events wait", detail=error.detail)
        return 0
    sent = 0
    for due in _due(services):
        if not due.postpone():
            continue
        try:
            publisher.publish(due.event)
        except BrokerUnavailable as error:
            due.send_soon()
            log.warning("broker unavailable, events wait", code=error.code, **_about(due.event), **error.evidence)
            break
        sent += 1
    return sent


@dataclass(frozen=True)
class DueEvent:
    """An event that must be sent, and the steps of its row: `postpone` before it is sent, `send_soon` if that fails."""

    event: CloudEvent
    postpone: Callable[[], bool]
    send_soon: Callable[[], bool]


def _due(services: Services) -> Iterator[DueEvent]:
    """Yield the events that are due; a job just given up has notifications due."""
    links, jobs, notifications = services.password_links, services.jobs, services.notifications
    for link in links.due():
        event = link_event(link.id, requested_at=link.created_at)
        yield DueEvent(event, partial(links.postpone, link), partial(links.send_soon, link))
    for job in jobs.due():
        if _must_convert(job, services):
            yield DueEvent(event_for(job), partial(jobs.postpone, job), partial(jobs.send_soon, job))
    for job in jobs.due_imports():
        if not jobs.give_up_import(job):
            yield DueEvent(event_for(job), partial(jobs.postpone_import, job), partial(jobs.send_import_soon, job))
    for job in notifications.due():
        yield DueEvent(event_for(job), partial(notifications.postpone, job), partial(notifications.send_soon, job))
    yield from _due_webhooks(services)


def _due_webhooks(services: Services) -> Iterator[DueEvent]:
    """Yield the events of the deliveries of webhooks, and those of the mails about webhooks that fail."""
    deliveries, alerts = services.deliveries, services.webhook_alerts
    for delivery in deliveries.due():
        event = delivery_event(delivery)
        yield DueEvent(event, partial(deliveries.postpone, delivery), partial(deliveries.send_soon, delivery))
    for webhook_id, failing_since in alerts.due():
        event = webhook_failing_event(webhook_id, failing_since=failing_since)
        yield DueEvent(event, partial(alerts.postpone, webhook_id), partial(alerts.send_soon, webhook_id))


def _must_convert(job: Job, services: Services) -> bool:
    """Give up a job without attempts or time left, and return whether it must still be converted."""
    try:
        delete_abandoned_output(job, services)
        return not services.jobs.give_up(job)
    except StoreUnavailable as error:
        log.warning("store unavailable, job waits", code=error.code, **_about(event_for(job)), **error.evidence)
        return False


def _expire(services: Services) -> None:
    for job in services.jobs.interrupted():
        services.jobs.abandon(job)
    retention = services.settings.retention_seconds
    for job in services.jobs.past_retention(retention=retention):
        services.jobs.expire(job, retention=retention)


def _dispose(services: Services) -> list[State]:
    """Return the states of the jobs whose files this run has deleted."""
    disposed = []
    for job in services.jobs.to_dispose():
        try:
            if dispose(job, services):
                disposed.append(job.state)
        except StoreUnavailable as error:
            about = {"job_id": job.id, **trace_of(job.traceparent)}
            log.warning("store unavailable, files wait", code=error.code, **about, **error.evidence)
            break
    return disposed


def _about(event: CloudEvent) -> dict[str, str]:
    """Return the job that an event is about, and the trace of its upload, for a log line."""
    job_id = event.get_subject()
    return {**({"job_id": job_id} if job_id else {}), **trace_of(traceparent_from(event))}


app = http_function(cleanup, methods=["POST"], needs=["database", "videos", "mp3s"])
