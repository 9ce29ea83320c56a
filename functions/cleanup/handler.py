"""Keeps the promise each minute: sends the events of all that is due, and deletes what is over."""

from __future__ import annotations

import structlog
from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.errors import BrokerUnavailable, SettingError, StoreUnavailable
from soundlift.common.events import event_of
from soundlift.common.jobs.disposal import delete_abandoned_output, dispose
from soundlift.common.jobs.model import Job, State
from soundlift.common.process.temporary_folders import sweep_temporary_folders
from soundlift.common.services import Services
from soundlift.common.web.application import http_function

log = structlog.get_logger()


def cleanup(request: Request, services: Services) -> ResponseReturnValue:
    """Answer how much was done. Each step is taken by one run only, however many run at once."""
    _log_dead_letter(request)
    sent = _send_due(services)
    _let_go(services)
    disposed = _dispose(services)
    services.jobs.forget_rows(retention=services.settings.row_retention_seconds)
    sweep_temporary_folders()
    return jsonify(expired=disposed.count(State.EXPIRED), orphans=disposed.count(State.DELETED), sent=sent)


def _log_dead_letter(request: Request) -> None:
    """Tell the log of an event that Knative could not deliver; its job, if it is due, is sent again like any."""
    if destination := request.headers.get("Ce-Knativeerrordest"):
        what = {name: request.headers.get(f"Ce-{name}") for name in ("Type", "Id", "Subject", "Knativeerrorcode")}
        log.error("dead letter", destination=destination, **{name.lower(): value for name, value in what.items()})


def _send_due(services: Services) -> int:
    """Return how many events were sent. Without a publisher they wait: on Knative its address comes after the start."""
    try:
        publisher = services.publisher
    except SettingError as error:
        log.error("events wait", detail=error.detail)
        return 0
    sent = 0
    for job in services.jobs.due():
        try:
            current = _last_chance(job, services)
            if not services.jobs.postpone(current):
                continue
            publisher.publish(event_of(current))
            sent += 1
        except BrokerUnavailable as error:
            services.jobs.send_soon(current)
            log.warning("broker away, events wait", code=error.code, **error.evidence)
            break
        except StoreUnavailable as error:
            log.warning("store away, job waits", code=error.code, job_id=job.id, **error.evidence)
    return sent


def _last_chance(job: Job, services: Services) -> Job:
    """Return a job as it is after giving up on it, where its claims or its day are used up."""
    delete_abandoned_output(job, services)
    return (services.jobs.find(job.id) or job) if services.jobs.give_up(job) else job


def _let_go(services: Services) -> None:
    for job in services.jobs.broken_off():
        services.jobs.abandon(job)
    retention = services.settings.retention_seconds
    for job in services.jobs.past_retention(retention=retention):
        services.jobs.expire(job, retention=retention)


def _dispose(services: Services) -> list[State]:
    """Return the states of the jobs whose files this run has deleted."""
    try:
        return [job.state for job in services.jobs.to_dispose() if dispose(job, services)]
    except StoreUnavailable as error:
        log.warning("store away, files wait", code=error.code, **error.evidence)
        return []


app = http_function(cleanup, methods=["POST"], needs=["database", "videos", "mp3s"])
