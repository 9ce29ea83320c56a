"""The event of a job that has just been queued."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from soundlift.common.errors import SoundliftError
from soundlift.common.events import event_for
from soundlift.common.jobs.model import Job

if TYPE_CHECKING:
    from soundlift.common.services import Services

log = structlog.get_logger()


def publish_queued(job: Job, services: Services) -> None:
    """Publish the job's event; if this fails, make the job due immediately, so that cleanup sends the event.

    Never raises: the job is queued, whatever happens to its event.
    """
    try:
        services.publisher.publish(event_for(job))
    except SoundliftError as error:
        log.warning("event postponed", code=error.code, **error.evidence)
        _make_due(job, services)


def _make_due(job: Job, services: Services) -> None:
    try:
        services.jobs.send_soon(job)
    except SoundliftError as error:
        log.warning("event left to the regular resend", code=error.code, **error.evidence)
