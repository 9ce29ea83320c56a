"""The upload of a video: a stream into the store, a job in the database, an event for the converter."""

from __future__ import annotations

import structlog
from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.errors import SoundliftError, TooLarge
from soundlift.common.events import event_for
from soundlift.common.jobs.document import job_document
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.quota import upload_size_limit
from soundlift.common.services import Services
from soundlift.common.web.application import http_function

from .body import receive_body
from .form import MAX_OVERHEAD
from .session import UploadSession

log = structlog.get_logger()


def upload(request: Request, services: Services) -> ResponseReturnValue:
    """Store the file of a request, and return its job, which from then on is kept whatever happens."""
    identity = services.tokens.identify(request.headers.get("Authorization"))
    limit = upload_size_limit(services.settings)
    if (request.content_length or 0) > limit + MAX_OVERHEAD:
        raise TooLarge(f"A video may have at most {limit} bytes.")
    with UploadSession(services, identity.username, announced=request.content_length or 0) as session:
        receive_body(request, session)
        job = session.commit()
    _publish(job, services)
    document = job_document(job, services.settings)
    return jsonify(document), 202, {"Location": document["links"]["self"]}


def _publish(job: Job, services: Services) -> None:
    """Send the job's event; if that fails, the job is due at once, and cleanup sends the event."""
    try:
        services.publisher.publish(event_for(job))
    except SoundliftError as error:
        log.warning("event postponed", code=error.code, **error.evidence)
        _make_due(job, services)


def _make_due(job: Job, services: Services) -> None:
    try:
        services.jobs.send_soon(job)
    except SoundliftError as error:
        log.warning("event waits for its first resend", code=error.code, **error.evidence)


app = http_function(upload, methods=["POST"], needs=["tokens", "database", "videos"], max_body_bytes=None)
