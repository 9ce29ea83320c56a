"""The jobs of a user: list them, show one or wait for it, cancel and delete."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import cache
from threading import BoundedSemaphore
from typing import Any

from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.tokens import Identity
from soundlift.common.errors import BadRequest, NotFound, NotReady
from soundlift.common.jobs.document import job_document
from soundlift.common.jobs.model import HIDDEN, WAITING, Job
from soundlift.common.logging import bind_job
from soundlift.common.services import Services
from soundlift.common.web.application import Function

MAX_WAIT_SECONDS = 60
POLL_SECONDS = 0.2
MAX_PAGE_SIZE = 100
NUMBER = re.compile(r"[0-9]{1,9}")


def list_jobs(request: Request, services: Services) -> ResponseReturnValue:
    """Return a page of the user's jobs, or of all jobs for an admin."""
    identity = _identify(request, services)
    limit = _number(request, "limit", default=50, highest=MAX_PAGE_SIZE)
    owner = None if identity.admin else identity.username
    page = services.jobs.page(owner, after=request.args.get("after"), limit=limit)
    links = {}
    if page and len(page) == limit:
        links["next"] = f"{services.settings.public_url}/jobs?limit={limit}&after={page[-1].id}"
    return jsonify(jobs=_documents(page, services), links=links)


def _documents(jobs: Sequence[Job], services: Services) -> list[dict[str, Any]]:
    notifications = services.notifications.by_job([job.id for job in jobs])
    return [job_document(job, services.settings, notifications[job.id]) for job in jobs]


def show_job(request: Request, services: Services, job_id: str) -> ResponseReturnValue:
    """Return a job, immediately or once it has ended."""
    job = _own_job(job_id, request, services)
    wait = _number(request, "wait", default=0, highest=MAX_WAIT_SECONDS)
    return jsonify(_documents([_wait_until_ended(job, wait, services)], services)[0])


def remove_job(request: Request, services: Services, job_id: str) -> ResponseReturnValue:
    """Cancel a waiting or converting job; delete an ended one. Cleanup deletes its files within a minute."""
    job = _own_job(job_id, request, services)
    if job.state in WAITING and services.jobs.cancel(job.id):
        return jsonify(_documents([services.jobs.find(job.id) or job], services)[0])
    if not services.jobs.delete(job.id):
        raise NotReady("The job has just changed. Check its state again, then delete it.")
    return Response(status=204)


def refuse_to_remove_all(request: Request, services: Services) -> ResponseReturnValue:
    """Raise BadRequest: jobs can only be deleted one at a time."""
    _identify(request, services)
    raise BadRequest("Name the job to delete: DELETE /jobs/ID.")


def _identify(request: Request, services: Services) -> Identity:
    return services.tokens.identify(request.headers.get("Authorization"))


def _own_job(job_id: str, request: Request, services: Services) -> Job:
    identity = _identify(request, services)
    job = services.jobs.find(job_id.strip("/"))
    if job is None or job.state in HIDDEN or not identity.may_see(job.username):
        raise NotFound("You have no job with this id.")
    bind_job(job.id)
    return job


def _wait_until_ended(job: Job, wait: int, services: Services) -> Job:
    """Return the job as soon as it has ended, or unchanged after `wait` seconds.

    At most LONG_POLLS requests wait concurrently; others return immediately, so that a login always finds a thread.
    """
    limit = _long_poll_limit(services.settings.long_polls)
    if job.ended or not wait or not limit.acquire(blocking=False):
        return job
    try:
        deadline = time.monotonic() + wait
        while not job.ended and time.monotonic() < deadline and not services.shutdown.is_overdue(0):
            time.sleep(POLL_SECONDS)
            job = services.jobs.find(job.id) or job
        return job
    finally:
        limit.release()


@cache
def _long_poll_limit(number: int) -> BoundedSemaphore:
    """Return this process's semaphore for requests that wait."""
    return BoundedSemaphore(number)


def _number(request: Request, name: str, *, default: int, highest: int) -> int:
    text = request.args.get(name, str(default))
    if not NUMBER.fullmatch(text):
        raise BadRequest(f"{name} must be a whole number from 0 to {highest}.")
    return min(int(text), highest)


app = Function("jobs", needs=["tokens", "database"])
app.handle("/", list_jobs, methods=["GET"])
app.handle("/", refuse_to_remove_all, methods=["DELETE"])
app.handle("/<anything:job_id>", show_job, methods=["GET"])
app.handle("/<anything:job_id>", remove_job, methods=["DELETE"])
