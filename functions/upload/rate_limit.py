"""The header fields about the uploads that a user has left."""

from __future__ import annotations

import structlog

from soundlift.common.errors import DatabaseUnavailable
from soundlift.common.jobs.rates import rate_limit_fields
from soundlift.common.jobs.recent import recent_uploads
from soundlift.common.services import Services

log = structlog.get_logger()


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
