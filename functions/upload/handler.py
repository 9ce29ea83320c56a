"""The upload of a video: it is streamed into the store, and its job is queued for conversion."""

from __future__ import annotations

import structlog
from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.errors import DatabaseUnavailable, TooLarge
from soundlift.common.jobs.document import job_document
from soundlift.common.jobs.model import State
from soundlift.common.jobs.publication import publish_queued
from soundlift.common.jobs.rates import rate_limit_fields
from soundlift.common.jobs.recent import recent_uploads
from soundlift.common.services import Services
from soundlift.common.web.application import http_function
from soundlift.common.web.body_deadline import limit_body_time
from soundlift.common.web.cross_origin import allow_cross_origin

from .body import receive_body
from .form import MAX_OVERHEAD
from .session import UploadSession

log = structlog.get_logger()


def upload(request: Request, services: Services) -> ResponseReturnValue:
    """Store the file of a request and return its job; once the job is committed, no later error loses it."""
    identity = services.tokens.identify(request.headers.get("Authorization"))
    limits = services.limits.of(identity.username, services.settings)
    max_bytes = limits.largest_upload
    if (request.content_length or 0) > max_bytes + MAX_OVERHEAD:
        raise TooLarge(f"A video may have at most {max_bytes} bytes.")
    limit_body_time(services.settings.upload_seconds)
    with UploadSession(services, identity.username, limits, announced_bytes=request.content_length or 0) as session:
        receive_body(request, session)
        job = session.commit()
    if job.state == State.QUEUED:
        publish_queued(job, services.jobs, lambda: services.publisher)
    document = job_document(job, services.settings)
    rate = _rate_limit(identity.username, limits.uploads_per_hour, services)
    return jsonify(document), 202, {"Location": document["links"]["self"], **rate}


def _rate_limit(username: str, limit: int, services: Services) -> dict[str, str]:
    """Return the header fields about the uploads that are left in this hour, if there is a limit."""
    if not limit:
        return {}
    try:
        with services.database.read() as connection:
            return rate_limit_fields(recent_uploads(connection, username), limit)
    except DatabaseUnavailable as error:  # the upload has succeeded nevertheless
        log.warning("uploads not counted", code=error.code, **error.evidence)
        return {}


app = http_function(upload, methods=["POST"], needs=["tokens", "database", "videos"], max_body_bytes=None)
allow_cross_origin(app)
