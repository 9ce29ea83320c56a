"""Shows a job to its owner, as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from soundlift.common.jobs.model import Job, State
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.settings import Settings


def document_of(job: Job, settings: Settings) -> dict[str, Any]:
    """Return what a client may know of a job; sizes in bytes, `length` and `lost` in seconds of sound."""
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
        "lost": job.lost,
        "options": AudioOptions.of_row(job.options, settings).document(),
        "error": {"code": job.error_code, "detail": job.error} if job.error_code else None,
        "created_at": datetime.fromtimestamp(job.created_at, UTC).isoformat(),
        "told_at": datetime.fromtimestamp(job.told_at, UTC).isoformat() if job.told_at else None,
        "mail_error": job.mail_error,
        "links": links_of(job, settings),
    }


def links_of(job: Job, settings: Settings) -> dict[str, str]:
    """Return where a client goes on from a job, as absolute addresses below PUBLIC_URL."""
    links = {"self": f"{settings.public_url}/jobs/{job.id}"}
    if job.state == State.READY:
        links["download"] = f"{settings.public_url}/download?fid={job.mp3_fid}"
    return links


def mp3_name(job: Job) -> str:
    """Return the name a downloaded MP3 gets: the video's, with its last suffix replaced."""
    stem, dot, suffix = job.file_name.rpartition(".")
    return f"{stem if dot and stem and len(suffix) <= 5 else job.file_name}.mp3"


def signed_link(job: Job, token: str, settings: Settings) -> str:
    """Return the address that opens a job's MP3 without a sign-in."""
    return f"{settings.public_url}/download?fid={job.mp3_fid}&token={quote(token)}"
