"""Uploads in parts that have begun."""

from __future__ import annotations

from soundlift.common.jobs.model import Job
from soundlift.common.services import Services


def begun_upload(services: Services, email: str = "ada@example.org") -> Job:
    """Return the job of an upload in parts of which no byte has arrived."""
    return services.jobs.receive(
        username=email,
        file_name="a.mp4",
        content_type="video/mp4",
        traceparent=None,
        insert_more=services.resumable_uploads.inserted(username=email, length=1, metadata="", limit=0),
    )
