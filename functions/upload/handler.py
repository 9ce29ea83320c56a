"""The upload of a video: it is streamed into the store, and its job is queued for conversion."""

from __future__ import annotations

from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.errors import TooLarge
from soundlift.common.jobs.document import job_document
from soundlift.common.jobs.model import State
from soundlift.common.jobs.publication import publish_queued
from soundlift.common.jobs.quota import upload_size_limit
from soundlift.common.services import Services
from soundlift.common.web.application import http_function
from soundlift.common.web.body_deadline import limit_body_time

from .body import receive_body
from .form import MAX_OVERHEAD
from .session import UploadSession


def upload(request: Request, services: Services) -> ResponseReturnValue:
    """Store the file of a request and return its job; once the job is committed, no later error loses it."""
    identity = services.tokens.identify(request.headers.get("Authorization"))
    max_bytes = upload_size_limit(services.settings)
    if (request.content_length or 0) > max_bytes + MAX_OVERHEAD:
        raise TooLarge(f"A video may have at most {max_bytes} bytes.")
    limit_body_time(services.settings.upload_seconds)
    with UploadSession(services, identity.username, announced_bytes=request.content_length or 0) as session:
        receive_body(request, session)
        job = session.commit()
    if job.state == State.QUEUED:
        publish_queued(job, services.jobs, lambda: services.publisher)
    document = job_document(job, services.settings)
    return jsonify(document), 202, {"Location": document["links"]["self"]}


app = http_function(upload, methods=["POST"], needs=["tokens", "database", "videos"], max_body_bytes=None)
