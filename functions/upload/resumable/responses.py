"""The headers and documents that describe a resumable upload."""

from __future__ import annotations

from typing import Any

from werkzeug.http import http_date

from soundlift.common.jobs.document import iso_time
from soundlift.common.jobs.model import Job
from soundlift.common.jobs.resumable_uploads import ResumableUpload
from soundlift.common.settings import Settings


def upload_url(upload_id: str, settings: Settings) -> str:
    """Return the URL of an upload; clients reach it at PUBLIC_URL, whatever the address of this request was."""
    return f"{settings.public_url}/upload/files/{upload_id}"


def upload_headers(upload: ResumableUpload, job: Job | None = None) -> dict[str, str]:
    """Return the headers that tus requires, and Soundlift-Job with the id of the job once there is one."""
    length = {"Upload-Defer-Length": "1"} if upload.length is None else {"Upload-Length": str(upload.length)}
    metadata = {"Upload-Metadata": upload.metadata} if upload.metadata else {}
    end = {"Upload-Expires": http_date(upload.expires_at)} if job is None else {"Soundlift-Job": job.id}
    return {"Upload-Offset": str(upload.received), **length, **metadata, **end, "Cache-Control": "no-store"}


def upload_document(upload: ResumableUpload, settings: Settings, job: Job | None = None) -> dict[str, Any]:
    """Return what a user sees of an upload; `offset` and `length` in bytes."""
    return {
        "url": upload_url(upload.id, settings),
        "file_name": upload.job.file_name if upload.job else None,
        "offset": upload.received,
        "length": upload.length,
        "expires_at": iso_time(upload.expires_at),
        "job_id": job.id if job else None,
    }
