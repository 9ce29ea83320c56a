"""The event of a job that has just been queued, or whose video is to be imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from soundlift.common.errors import SoundliftError
from soundlift.common.events import event_for
from soundlift.common.jobs.model import Job, State

if TYPE_CHECKING:
    from soundlift.common.broker import Publisher
    from soundlift.common.jobs.store import Jobs

log = structlog.get_logger()


def publish_queued(job: Job, jobs: Jobs, open_publisher: Callable[[], Publisher]) -> None:
    """Publish the job's event; if this fails, make the job due immediately, so that cleanup sends the event.

    Raises no SoundliftError: the job is stored, whatever happens to its event.
    """
    try:
        open_publisher().publish(event_for(job))
    except SoundliftError as error:
        log.warning("event postponed", code=error.code, **error.evidence)
        _make_due(job, jobs)


def _make_due(job: Job, jobs: Jobs) -> None:
    try:
        if job.state == State.IMPORTING:
            jobs.send_import_soon(job)
        else:
            jobs.send_soon(job)
    except SoundliftError as error:
        log.warning("event left to the regular resend", code=error.code, **error.evidence)
