"""The JSON document of a job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from soundlift.common.jobs.model import Job, State
from soundlift.common.notifications.model import Notification
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.settings import Settings


def job_document(job: Job, settings: Settings, notifications: Sequence[Notification] = ()) -> dict[str, Any]:
    """Return the fields of a job that clients see; sizes in bytes, `length` and `missing_seconds` in seconds."""
    return {
        "job_id": job.id,
        "state": job.state,
        "percent": job.percent,
        "file_name": job.file_name,
        "username": job.username,
        "video_fid": job.video_fid,
        "video_bytes": job.video_bytes,
        "mp3_fid": job.mp3_fid if job.state == State.READY else None,
        "mp3_bytes": job.mp3_bytes,
        "length": job.length,
        "missing_seconds": job.missing_seconds,
        "options": AudioOptions.of_row(job.options, settings).document(),
        "error": {"code": job.error_code, "detail": job.error} if job.error_code else None,
        "created_at": _iso_time(job.created_at),
        "notifications": [_notification_document(notification) for notification in notifications],
        "links": job_links(job, settings),
    }


def _notification_document(notification: Notification) -> dict[str, Any]:
    delivered_at = _iso_time(notification.delivered_at) if notification.delivered_at else None
    return {"channel": notification.channel, "delivered_at": delivered_at, "error": notification.error}


def _iso_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def job_links(job: Job, settings: Settings) -> dict[str, str]:
    """Return the links of a job, as absolute URLs below PUBLIC_URL."""
    links = {"self": f"{settings.public_url}/jobs/{job.id}"}
    if job.state == State.READY:
        links["download"] = f"{settings.public_url}/download?fid={job.mp3_fid}"
    return links


def mp3_name(job: Job) -> str:
    """Return the file name of a downloaded MP3: the video's, with its suffix replaced."""
    stem, dot, suffix = job.file_name.rpartition(".")
    return f"{stem if dot and stem and len(suffix) <= 5 else job.file_name}.mp3"


def signed_link(job: Job, token: str, settings: Settings) -> str:
    """Return the URL that downloads a job's MP3 without a sign-in."""
    return f"{settings.public_url}/download?fid={job.mp3_fid}&token={quote(token)}"
