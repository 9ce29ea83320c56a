"""The upload of a video: it is streamed into the store, and its job is queued for conversion.

A JSON body names the URL of the video instead, which the function fetch imports.
"""

from __future__ import annotations

from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.scopes import Scope
from soundlift.common.errors import NotFound, TooLarge, Unavailable
from soundlift.common.jobs.document import job_document
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import Job, State
from soundlift.common.jobs.publication import publish_queued
from soundlift.common.services import Services
from soundlift.common.web.application import ANY_PATH, Anything
from soundlift.common.web.body_deadline import limit_body_time
from soundlift.common.web.cross_origin import allow_cross_origin

from .accepted import accepted, current_document
from .body import receive_body
from .direct.routes import add_direct_uploads
from .earlier import cancel, find_job
from .form import MAX_OVERHEAD
from .idempotency_key import KeyedRequest, require_key
from .import_request import request_import
from .resumable.creation import create_upload
from .resumable.handler import append_to_upload, list_uploads, remove_upload, show_upload
from .resumable.routes import FILE, FILES, UploadFunction
from .session import UploadSession

JSON = "application/json"


def upload(request: Request, services: Services, path: str) -> ResponseReturnValue:
    """Receive an upload, whatever the path; or show or cancel the one that was sent with the same Idempotency-Key."""
    username = services.identify(request.headers.get("Authorization"), scope=Scope.UPLOAD).username
    match request.method:
        case "POST":
            return _receive(request, services, username)
        case "DELETE":
            cancel(require_key(request, username), services.jobs)
            return Response(status=204)
        case _:
            return _show(request, services, username)


def _receive(request: Request, services: Services, username: str) -> ResponseReturnValue:
    """Store the file of a request, or the URL of one, and return its job; no later error loses a committed job.

    If an earlier request with the same key made a job, return that, without reading the file.
    """
    keyed = KeyedRequest.of(request, username)
    limits = services.limits.of(username, services.settings)
    if request.mimetype == JSON:
        _admit(keyed, services, announced_bytes=0)
        job, is_new = request_import(request, services, username, limits, keyed)
        return _respond(job, services, username, limits, is_new=is_new)
    max_bytes = limits.largest_upload
    announced = request.content_length or 0
    if announced > max_bytes + MAX_OVERHEAD:
        raise TooLarge(f"A video may have at most {max_bytes} bytes.")
    _admit(keyed, services, announced_bytes=announced)
    limit_body_time(services.settings.upload_seconds)
    with UploadSession(services, username, limits, announced_bytes=announced, keyed=keyed) as session:
        receive_body(request, session)
        job = session.earlier or session.commit()
    return _respond(job, services, username, limits, is_new=session.earlier is None)


def _respond(job: Job, services: Services, username: str, limits: Limits, *, is_new: bool) -> ResponseReturnValue:
    """Publish the event of a new job, and return the response with its document."""
    if not is_new:
        return accepted(current_document(job, services), username, limits, services)
    if job.state in (State.QUEUED, State.IMPORTING):
        publish_queued(job, services.jobs, lambda: services.publisher)
    return accepted(job_document(job, services.settings), username, limits, services)


def _admit(keyed: KeyedRequest | None, services: Services, *, announced_bytes: int) -> None:
    """Raise an error before the body is read if the deployment cannot accept it; a repeated upload needs no room."""
    try:
        services.upload_admission.check(announced_bytes=announced_bytes)
    except Unavailable:
        if keyed is None or find_job(keyed.key, services.jobs) is None:
            raise


def _show(request: Request, services: Services, username: str) -> ResponseReturnValue:
    job = find_job(require_key(request, username), services.jobs)
    if job is None:
        raise NotFound("No upload with this Idempotency-Key has arrived completely; send it.")
    return jsonify(current_document(job, services))


class OtherPath(Anything):
    """Any path except those of resumable and direct uploads, which would otherwise allow the methods of an upload."""

    regex = rf"(?!files(?:/[^/]*)?\Z|direct(?:/[^/]+(?:/parts|/complete)?)?\Z){Anything.regex}"


app = UploadFunction("upload", needs=["tokens", "database", "videos"], max_body_bytes=None)
app.url_map.converters["anything"] = OtherPath
app.handle(FILES, list_uploads, methods=["GET"])
app.handle(FILES, create_upload, methods=["POST"])
app.handle(FILE, show_upload, methods=["GET"])
app.handle(FILE, append_to_upload, methods=["PATCH"])
app.handle(FILE, remove_upload, methods=["DELETE"])
add_direct_uploads(app)
app.handle(ANY_PATH, upload, methods=["GET", "POST", "DELETE"])
allow_cross_origin(app)
