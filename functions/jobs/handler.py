"""The jobs of a user: list, show, wait for one, cancel and delete."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.tokens import Identity
from soundlift.common.errors import BadRequest, NotFound, NotReady
from soundlift.common.jobs.document import document_of
from soundlift.common.jobs.model import HIDDEN, WAITING, Job
from soundlift.common.logging import bind_job
from soundlift.common.services import Services
from soundlift.common.web.application import http_function
from soundlift.common.web.concurrency_limit import Places

LONGEST_WAIT = 60
LOOK_AGAIN_SECONDS = 0.2
LARGEST_PAGE = 100
NUMBER = re.compile(r"[0-9]{1,9}")

_waiting = Places()


def jobs(request: Request, services: Services) -> ResponseReturnValue:
    """Return the list of jobs at /, and one job at /ID, at once or when it has ended."""
    identity = services.tokens.identify(request.headers.get("Authorization"))
    job_id = request.path.strip("/")
    if not job_id:
        if request.method == "DELETE":
            raise BadRequest("Name the job to delete: DELETE /jobs/ID.")
        return _list(request, identity, services)
    job = _own_job(job_id, identity, services)
    if request.method == "DELETE":
        return _remove(job, services)
    wait = _number(request, "wait", default=0, highest=LONGEST_WAIT)
    return jsonify(_documents_of([_when_ended(job, wait, services)], services)[0])


def _list(request: Request, identity: Identity, services: Services) -> ResponseReturnValue:
    limit = _number(request, "limit", default=50, highest=LARGEST_PAGE)
    owner = None if identity.admin else identity.username
    page = services.jobs.page(owner, after=request.args.get("after"), limit=limit)
    links = {}
    if page and len(page) == limit:
        links["next"] = f"{services.settings.public_url}/jobs?limit={limit}&after={page[-1].id}"
    return jsonify(jobs=_documents_of(page, services), links=links)


def _documents_of(jobs: Sequence[Job], services: Services) -> list[dict[str, Any]]:
    notifications = services.notifications.of([job.id for job in jobs])
    return [document_of(job, services.settings, notifications[job.id]) for job in jobs]


def _own_job(job_id: str, identity: Identity, services: Services) -> Job:
    job = services.jobs.find(job_id)
    if job is None or job.state in HIDDEN or not identity.may_see(job.username):
        raise NotFound("You have no job with this id.")
    bind_job(job.id)
    return job


def _when_ended(job: Job, wait: int, services: Services) -> Job:
    """Return the job as soon as it has ended, or unchanged after `wait` seconds.

    At most LONG_POLLS requests wait at once; further ones return immediately, so that a login always finds a thread.
    """
    if job.ended or not wait or not _waiting.take(services.settings.long_polls):
        return job
    try:
        deadline = time.monotonic() + wait
        while not job.ended and time.monotonic() < deadline and not services.shutdown.is_overdue(0):
            time.sleep(LOOK_AGAIN_SECONDS)
            job = services.jobs.find(job.id) or job
        return job
    finally:
        _waiting.give_back()


def _remove(job: Job, services: Services) -> ResponseReturnValue:
    """Cancel a waiting or converting job; delete an ended one. Cleanup deletes its files within a minute."""
    if job.state in WAITING and services.jobs.cancel(job.id):
        return jsonify(_documents_of([services.jobs.find(job.id) or job], services)[0])
    if not services.jobs.delete(job.id):
        raise NotReady("The job has just changed. Look at it again, then delete it.")
    return Response(status=204)


def _number(request: Request, name: str, *, default: int, highest: int) -> int:
    text = request.args.get(name, str(default))
    if not NUMBER.fullmatch(text):
        raise BadRequest(f"{name} must be a whole number from 0 to {highest}.")
    return min(int(text), highest)


app = http_function(jobs, methods=["GET", "DELETE"], needs=["tokens", "database"])
