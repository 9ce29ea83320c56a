"""The jobs of a user: list and search them, wait for changes, show, cancel, retry and delete one, link to files."""

from __future__ import annotations

from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.scopes import Scope
from soundlift.common.errors import BadRequest, NotReady
from soundlift.common.jobs.model import CANCELLABLE, Job
from soundlift.common.services import Services
from soundlift.common.web.application import Anything, Function
from soundlift.common.web.cross_origin import allow_cross_origin
from soundlift.common.web.query import whole_number

from .arguments import documents, existing_job, own_job, scope_of
from .changes import changes_document
from .events import stream_events
from .links import create_archive_link, create_link
from .listing import check_query, page_document
from .long_polls import MAX_WAIT_SECONDS, permitted_wait, poll
from .retry import retry_job
from .waveform import show_waveform

POLL_SECONDS = 0.2


def list_jobs(request: Request, services: Services) -> ResponseReturnValue:
    """Return a page of the user's jobs, or of all jobs for an admin; or what has changed in them since a cursor."""
    scope = scope_of(request, services)
    check_query(request)
    is_changes = "changed_since" in request.args
    return jsonify((changes_document if is_changes else page_document)(request, services, scope))


def show_job(request: Request, services: Services, job_id: str) -> ResponseReturnValue:
    """Return a job, immediately or once it has ended; raises NotFound if it is deleted meanwhile."""
    job = own_job(job_id, request, services, Scope.JOBS_READ)
    wait = whole_number(request, "wait", default=0, highest=MAX_WAIT_SECONDS)
    if not job.ended and wait:
        job = _wait_until_ended(job, wait, services)
    return jsonify(documents([job], services)[0])


def _wait_until_ended(job: Job, wait: int, services: Services) -> Job:
    def read() -> Job:
        return existing_job(job.id, services)

    with permitted_wait(services, wait) as seconds:
        return poll(read, lambda found: found.ended, services, seconds=seconds, pause=POLL_SECONDS)


def remove_job(request: Request, services: Services, job_id: str) -> ResponseReturnValue:
    """Cancel a job that has not ended; delete one that has, unless ?only=cancel. Cleanup then deletes its files."""
    job = own_job(job_id, request, services, Scope.JOBS_WRITE)
    only = request.args.get("only")
    if only not in (None, "cancel"):
        raise BadRequest("only must be cancel.")
    if job.state in CANCELLABLE and services.jobs.cancel(job.id):
        return jsonify(documents([services.jobs.find(job.id) or job], services)[0])
    if only == "cancel":
        raise NotReady("The job has ended, so it cannot be cancelled.")
    if not services.jobs.delete(job.id):
        raise NotReady("The job has just changed. Check its state again, then delete it.")
    return Response(status=204)


class JobPath(Anything):
    """Any path except those of the other rules of this function, which would otherwise allow the methods of a job."""

    regex = rf"(?!(?:events|links|[^/]+/(?:link|retry|waveform))?\Z){Anything.regex}"


app = Function("jobs", needs=["tokens", "database"])
app.url_map.converters["job"] = JobPath
app.handle("/", list_jobs, methods=["GET"])
app.handle("/events", stream_events, methods=["GET"])
app.handle("/links", create_archive_link, methods=["POST"])
app.handle("/<job_id>/link", create_link, methods=["POST"])
app.handle("/<job_id>/retry", retry_job, methods=["POST"])
app.handle("/<job_id>/waveform", show_waveform, methods=["GET"])
app.handle("/<job:job_id>", show_job, methods=["GET"])
app.handle("/<job:job_id>", remove_job, methods=["DELETE"])
allow_cross_origin(app)
