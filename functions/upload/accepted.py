"""The response to an upload that made a job."""

from __future__ import annotations

from typing import Any

import structlog
from flask import jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.errors import DatabaseUnavailable
from soundlift.common.jobs.document import job_document
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.rates import rate_limit_fields
from soundlift.common.jobs.recent import recent_uploads
from soundlift.common.logging import bind_job
from soundlift.common.services import Services

log = structlog.get_logger()


def accepted(document: dict[str, Any], username: str, limits: Limits, services: Services) -> ResponseReturnValue:
    """Return the response with the document of a job, its address, and the uploads that its user has left."""
    rate = rate_limit(username, limits.uploads_per_hour, services)
    return jsonify(document), 202, {"Location": document["links"]["self"], **rate}


def current_document(job: Job, services: Services) -> dict[str, Any]:
    """Return the document of a job that an earlier request has made."""
    bind_job(job.id)
    return job_document(job, services.settings, services.notifications.by_job([job.id])[job.id])


def rate_limit(username: str, limit: int, services: Services) -> dict[str, str]:
    """Return the header fields about the uploads that are left in this hour, if there is a limit."""
    if not limit:
        return {}
    try:
        with services.database.read() as connection:
            return rate_limit_fields(recent_uploads(connection, username), limit)
    except DatabaseUnavailable as error:  # the upload has succeeded nevertheless
        log.warning("uploads not counted", code=error.code, **error.evidence)
        return {}
