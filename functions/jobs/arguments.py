"""What a request to this function names: its user, one of the user's jobs, and whose jobs to list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Request

from soundlift.common.auth.scopes import Scope
from soundlift.common.auth.tokens import Identity
from soundlift.common.errors import Forbidden, NotFound
from soundlift.common.jobs.document import job_document
from soundlift.common.jobs.model import HIDDEN, Job
from soundlift.common.logging import bind_job
from soundlift.common.services import Services

MAX_NAME_LENGTH = 254  # characters of a user's name


def identify(request: Request, services: Services, scope: Scope) -> Identity:
    """Return the user of a request, whose API key must have the scope; raises NotAuthorized or InsufficientScope."""
    return services.identify(request.headers.get("Authorization"), scope=scope)


def own_job(job_id: str, request: Request, services: Services, scope: Scope) -> Job:
    """Return a job that the user of a request may see; raises NotFound for any other, and the errors of `identify`."""
    identity = identify(request, services, scope)
    job = existing_job(job_id.strip("/"), services)
    if not identity.may_see(job.username):
        raise _no_such_job()
    bind_job(job.id)
    return job


def existing_job(job_id: str, services: Services) -> Job:
    """Return a job that has not been deleted; raises NotFound."""
    job = services.jobs.find(job_id)
    if job is None or job.state in HIDDEN:
        raise _no_such_job()
    return job


def _no_such_job() -> NotFound:
    return NotFound("You have no job with this id.")


def scope_of(request: Request, services: Services) -> str | None:
    """Return whose jobs a request lists; None means those of all users, which only an admin may see."""
    identity = identify(request, services, Scope.JOBS_READ)
    wanted = request.args.get("user", "")[: MAX_NAME_LENGTH + 1]
    if wanted and not identity.may_see(wanted):
        raise Forbidden("Only an admin may list the jobs of another user.")
    return wanted or (None if identity.admin else identity.username)


def documents(jobs: Sequence[Job], services: Services) -> list[dict[str, Any]]:
    """Return the documents of jobs with their notifications."""
    notifications = services.notifications.by_job([job.id for job in jobs])
    return [job_document(job, services.settings, notifications[job.id]) for job in jobs]
