"""Direct uploads: the client sends the video to the media store itself, and this function only before and after."""

from __future__ import annotations

from itertools import islice

from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.scopes import Scope
from soundlift.common.errors import DirectUnavailable, NotFound, TooSlow, UploadDeleted
from soundlift.common.jobs.direct_uploads import DirectUpload
from soundlift.common.jobs.model import State
from soundlift.common.logging import bind_job
from soundlift.common.media.direct import DirectUploads
from soundlift.common.services import Services
from soundlift.common.web.application import Function

from ..accepted import accepted, current_document
from ..idempotency_key import read_key
from .announcement import MAX_BODY_BYTES, read_announcement, read_part_numbers
from .beginning import (
    FIRST_PARTS,
    URL_SECONDS,
    begin_in_store,
    find_or_create,
    is_receiving,
    key_of,
    part_documents,
    received_numbers,
)
from .completion import abandon, complete

NO_UPLOAD = "You have no such direct upload; check its id."


def begin_direct_upload(request: Request, services: Services) -> ResponseReturnValue:
    """Reserve a job for a video, and return the URLs of its first parts.

    A repeated request with the same key gets the same upload, with the parts that have arrived and the URLs of the
    first ones that have not, or the job that it has made.
    """
    username = _username(request, services)
    store = _store(services)
    sent_key = read_key(request, username)
    limits = services.limits.of(username, services.settings)
    announced = read_announcement(request, limits)
    key = key_of(sent_key, announced) if sent_key else None
    job = find_or_create(announced, key, username, limits, services)
    if job.state != State.RECEIVING:
        return accepted(current_document(job, services), username, limits, services)
    upload = _extended(_own(job.id, username, services), services)
    received = received_numbers(upload, store)
    reference = begin_in_store(upload, services, store)
    known = frozenset(received)
    missing = (number for number in range(1, upload.part_count + 1) if number not in known)
    address = f"{services.settings.public_url}/upload/direct/{job.id}"
    document = {
        "job_id": job.id,
        "size": upload.size,
        "part_bytes": upload.part_bytes,
        "part_count": upload.part_count,
        "expires_in": URL_SECONDS,
        "received": received,
        "parts": part_documents(upload, reference, islice(missing, FIRST_PARTS), store),
        "links": {"self": address, "parts": f"{address}/parts", "complete": f"{address}/complete"},
    }
    return jsonify(document), 201, {"Location": address, "Cache-Control": "no-store"}


def sign_parts(request: Request, services: Services, job_id: str) -> ResponseReturnValue:
    """Return new URLs of the parts that the body names."""
    username = _username(request, services)
    store = _store(services)
    upload = _extended(_own(job_id, username, services), services)
    if not is_receiving(upload):
        raise NotFound("The upload is complete: no more parts can be sent.")
    numbers = read_part_numbers(request, upload.part_count)
    reference = begin_in_store(upload, services, store)
    documents = part_documents(upload, reference, numbers, store)
    return jsonify(parts=documents, expires_in=URL_SECONDS), 200, {"Cache-Control": "no-store"}


def complete_direct_upload(request: Request, services: Services, job_id: str) -> ResponseReturnValue:
    """Check what has arrived, and queue the job; a repeated request gets the same job. The body is ignored."""
    username = _username(request, services)
    store = _store(services)
    upload = _extended(_own(job_id, username, services), services)
    job = complete(upload, services, store) if is_receiving(upload) else upload.job
    limits = services.limits.of(username, services.settings)
    return accepted(current_document(job, services), username, limits, services)


def abandon_direct_upload(request: Request, services: Services, job_id: str) -> ResponseReturnValue:
    """Let an upload leave no job."""
    username = _username(request, services)
    upload = services.direct_uploads.find(job_id)
    if upload is None or upload.job.username != username:
        raise NotFound(NO_UPLOAD)
    bind_job(job_id)
    abandon(upload.job, services)
    return Response(status=204)


def add_direct_uploads(app: Function) -> None:
    """Add the routes of direct uploads to the function."""
    for rule, handler, method in (
        ("/direct", begin_direct_upload, "POST"),
        ("/direct/<job_id>/parts", sign_parts, "POST"),
        ("/direct/<job_id>/complete", complete_direct_upload, "POST"),
        ("/direct/<job_id>", abandon_direct_upload, "DELETE"),
    ):
        app.handle(rule, handler, methods=[method], max_body_bytes=MAX_BODY_BYTES)


def _username(request: Request, services: Services) -> str:
    return services.identify(request.headers.get("Authorization"), scope=Scope.UPLOAD).username


def _store(services: Services) -> DirectUploads:
    """Return the store that clients can send files to; raises DirectUnavailable."""
    if services.direct_videos is None or not services.settings.direct_uploads:
        raise DirectUnavailable("This deployment has no direct uploads; send the video to /upload.")
    return services.direct_videos


def _own(job_id: str, username: str, services: Services) -> DirectUpload:
    """Return an upload of a user; raises NotFound, or UploadDeleted if it was abandoned or its job deleted."""
    upload = services.direct_uploads.find(job_id)
    if upload is None or upload.job.username != username:
        raise NotFound(NO_UPLOAD)
    bind_job(job_id)
    if upload.job.state == State.DELETED:
        raise UploadDeleted("The upload was cancelled or abandoned, or its job was deleted; begin another one.")
    return upload


def _extended(upload: DirectUpload, services: Services) -> DirectUpload:
    """Postpone the deadline of an upload unless it is complete, and return it.

    Raises TooSlow if it has taken too long, or what `_own` raises if it has ended.
    """
    if services.direct_uploads.extend(upload.job.id, longest=services.settings.upload_seconds):
        return upload
    current = _own(upload.job.id, upload.job.username, services)
    if is_receiving(current):
        raise TooSlow("The upload has taken too long; begin another one.")
    return current
