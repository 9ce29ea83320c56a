"""Jobs for bare messages, in which another program names a video that it stored itself and the owner of the video."""

from __future__ import annotations

from typing import Any

import structlog
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.auth.users import parse_address
from soundlift.common.errors import BadEvent
from soundlift.common.events import job_id_from
from soundlift.common.logging import current_traceparent
from soundlift.common.media import is_media_id
from soundlift.common.services import Services

log = structlog.get_logger()


def find_or_adopt_job_id(event: CloudEvent, services: Services) -> str:
    """Return the job id of an event; for a bare message, if these are accepted, create a job for its video.

    Raises BadEvent, BadRequest or MediaNotFound.
    """
    data = event.get_data()
    bare = isinstance(data, dict) and "video_fid" in data and "job_id" not in data
    return _adopt(data, services) if bare and services.settings.accept_bare_messages else job_id_from(event)


def _adopt(data: Any, services: Services) -> str:
    """Return the id of a video's job, which is created if there is none, so a repeated message finds the same job."""
    fid, username = data["video_fid"], data.get("username")
    if not isinstance(fid, str) or not is_media_id(fid):
        raise BadEvent("The message's video_fid must be 24 hexadecimal digits.")
    if not isinstance(username, str):
        raise BadEvent("The message's username must be the mail address of an account.")
    job = services.jobs.find_by_video(fid)
    if job is None and _create(fid, parse_address(username), services):
        log.info("adopted", video_fid=fid)
    return job.id if job else fid


def _create(fid: str, username: str, services: Services) -> bool:
    """Write the job's row. The owner must have an account, otherwise any program could make Soundlift mail anyone."""
    if services.users.find(username) is None:
        raise BadEvent(f"{username} has no account here.")
    reader = services.videos.open(fid)
    reader.file.close()
    return services.jobs.adopt(
        video_fid=fid, username=username, video_bytes=reader.size, traceparent=current_traceparent()
    )
