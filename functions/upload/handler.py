"""Takes a video in: a stream into the store, a job in the database, an event for the converter."""

from __future__ import annotations

import structlog
from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.errors import SoundliftError, TooLarge
from soundlift.common.events import event_of
from soundlift.common.jobs.document import document_of
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.quota import largest_upload
from soundlift.common.services import Services
from soundlift.common.web.application import http_function

from .body import receive_file
from .reception import Reception

ROOM_FOR_FORM_FIELDS = 2**20

log = structlog.get_logger()


def upload(request: Request, services: Services) -> ResponseReturnValue:
    """Store the one file of a request and answer its job; from then on the job is kept whatever happens."""
    identity = services.tokens.identify(request.headers.get("Authorization"))
    limit = largest_upload(services.settings)
    if (request.content_length or 0) > limit + ROOM_FOR_FORM_FIELDS:
        raise TooLarge(f"A video may have at most {limit} bytes.")
    with Reception(services, identity.username, announced=request.content_length or 0) as reception:
        receive_file(request, reception)
        job = reception.finish()
    _publish(job, services)
    document = document_of(job, services.settings)
    return jsonify(document), 202, {"Location": document["links"]["self"]}


def _publish(job: Job, services: Services) -> None:
    """Send the job's event now if that can be done; if not, the job is due at once, and cleanup sends it."""
    try:
        services.publisher.publish(event_of(job))
    except SoundliftError as error:
        log.warning("event put off", code=error.code, **error.evidence)
        _make_due(job, services)


def _make_due(job: Job, services: Services) -> None:
    try:
        services.jobs.send_soon(job)
    except SoundliftError as error:
        log.warning("event waits for its first repeat", code=error.code, **error.evidence)


app = http_function(upload, methods=["POST"], needs=["tokens", "database", "videos"], max_body_bytes=None)
