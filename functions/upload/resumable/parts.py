"""The part of a file that one request brings, and the response to it."""

from __future__ import annotations

from flask import Request, Response

from soundlift.common.errors import MediaNotFound, TooLarge, UnsupportedMedia, UploadDeleted
from soundlift.common.jobs.arrivals import make_job
from soundlift.common.jobs.disposal import dispose
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.resumable_uploads import ResumableUpload
from soundlift.common.logging import bind_job
from soundlift.common.services import Services
from soundlift.common.web.body_deadline import limit_body_time

from .appending import Appending
from .headers import Checksum
from .responses import upload_headers


def receive_part(
    request: Request, services: Services, upload: ResumableUpload, limits: Limits, *, checksum: Checksum | None
) -> None:
    """Add the body of a request to an upload; a file of an unknown format, or one that the store has lost, ends it.

    A request that a later one has superseded ends nothing: the later one may have replaced what this one looks for.
    """
    assert upload.job is not None
    bind_job(upload.job.id)
    announced = request.content_length
    largest = limits.largest_upload if upload.length is None else upload.length
    if upload.received + (announced or 0) > largest:
        raise TooLarge(f"The upload may have at most {largest} bytes.")
    may_end = upload.length is not None and (announced is None or upload.received + announced >= upload.length)
    services.upload_admission.check(announced_bytes=announced or 0, makes_job=may_end)
    limit_body_time(services.settings.upload_seconds)
    try:
        with Appending(services, upload, limits, checksum) as appending:
            appending.receive(request.stream)
    except (UnsupportedMedia, MediaNotFound) as error:
        services.resumable_uploads.touch(upload)
        if services.jobs.roll_back(upload.id):
            dispose(upload.job, services)
        if isinstance(error, MediaNotFound):
            raise UploadDeleted(f"{error.detail} Send the file again.", **error.evidence) from None
        raise


def part_response(upload: ResumableUpload, services: Services, *, status: int = 204) -> Response:
    """Make the job if all bytes have arrived, and return the response to a part."""
    now = services.resumable_uploads.find(upload.id)
    if now is None:
        raise deleted()
    job = make_job(now, services) if now.arrived else None
    if now.arrived and job is None:
        raise deleted()
    response = Response(status=status, headers=upload_headers(now, job))
    del response.headers["Content-Type"]  # there is no content
    return response


def deleted() -> UploadDeleted:
    """Return the error for an upload that there is no more."""
    return UploadDeleted("The upload was deleted or has expired, or its job was deleted. Begin a new one.")
