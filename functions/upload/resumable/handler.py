"""The requests for one resumable upload: its offset, more of its bytes, and its removal; and the list of a user's."""

from __future__ import annotations

from dataclasses import replace

from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.scopes import Scope
from soundlift.common.errors import BadRequest, NotFound, NotReady, OffsetConflict, TooLarge, UploadSuperseded
from soundlift.common.jobs.arrivals import make_job
from soundlift.common.jobs.disposal import dispose
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import JOB_ID, Job, State
from soundlift.common.jobs.quota import Reservation
from soundlift.common.jobs.resumable_uploads import ResumableUpload
from soundlift.common.services import Services

from ..earlier import CANCEL_TRIES, leave_no_job
from .headers import read_checksum, read_number, read_offset, require_offset_type, require_version
from .parts import deleted, part_response, receive_part
from .responses import upload_document, upload_headers


def list_uploads(request: Request, services: Services) -> ResponseReturnValue:
    """Return the unfinished uploads of a user."""
    username = _username(request, services)
    found = services.resumable_uploads.unfinished(username)
    return jsonify(uploads=[upload_document(upload, services.settings) for upload in found])


def show_upload(request: Request, services: Services, upload_id: str) -> ResponseReturnValue:
    """Return where an upload continues, after which no earlier request can add bytes to it."""
    username = _username(request, services)
    require_version(request)
    upload = _take(upload_id, username, services)
    job = make_job(upload, services) if upload.arrived else None
    if upload.arrived and job is None:
        raise deleted()
    response = jsonify(upload_document(upload, services.settings, job))
    response.headers.update(upload_headers(upload, job))
    return response


def append_to_upload(request: Request, services: Services, upload_id: str) -> ResponseReturnValue:
    """Add the body to an upload at its offset; the last bytes make the job."""
    username = _username(request, services)
    require_version(request)
    require_offset_type(request)
    offset, length, checksum = read_offset(request), read_number(request, "Upload-Length"), read_checksum(request)
    limits = services.limits.of(username, services.settings)
    upload = _take(upload_id, username, services, offset=offset)
    if upload.received != offset:
        raise OffsetConflict(f"The upload has {upload.received} bytes; continue there.")
    is_complete = upload.arrived
    if length is not None:
        upload = _with_length(upload, length, limits, services)
    if is_complete:
        if request.content_length:
            raise TooLarge("The upload is complete.")
    else:
        receive_part(request, services, upload, limits, checksum=checksum)
    return part_response(upload, services)


def remove_upload(request: Request, services: Services, upload_id: str) -> ResponseReturnValue:
    """Let an upload leave no job, as DELETE /upload does, whether it is finished or not."""
    username = _username(request, services)
    require_version(request)
    upload = _take(upload_id, username, services)
    assert upload.job is not None
    for _ in range(CANCEL_TRIES):
        if _remove(upload.job, services):
            return Response(status=204)
    raise NotReady("The job has just changed. Delete the upload again.")


def _username(request: Request, services: Services) -> str:
    return services.identify(request.headers.get("Authorization"), scope=Scope.UPLOAD).username


def _take(upload_id: str, username: str, services: Services, *, offset: int | None = None) -> ResumableUpload:
    """Take over an upload of a user; raises NotFound, or UploadDeleted if it is unfinished and will never be."""
    upload = None
    if JOB_ID.fullmatch(upload_id):
        upload = services.resumable_uploads.take(upload_id, username, offset=offset)
    if upload is None:
        raise NotFound("You have no upload at this address. Begin a new one.")
    if upload.job is None or upload.job.state == State.DELETED:
        raise deleted()
    return upload


def _with_length(upload: ResumableUpload, length: int, limits: Limits, services: Services) -> ResumableUpload:
    """Return an upload with the length that its client now knows; raises BadRequest, TooLarge or StorageFull.

    If all bytes have arrived before, the row gets the length only when the store has ended the file.
    """
    if upload.length is not None:
        if upload.length != length:
            raise BadRequest(f"The length of the upload is {upload.length}, and cannot change.")
        return upload
    if length < max(1, upload.received):
        raise BadRequest(f"Upload-Length must be at least 1, and at least the {upload.received} bytes that arrived.")
    if length > limits.largest_upload:
        raise TooLarge(f"A video may have at most {limits.largest_upload} bytes.")
    assert upload.job is not None
    reserved = upload.job.video_bytes or 0
    if length > reserved:
        more, keep = Reservation(length - reserved, limits), services.settings.resume_seconds
        if not services.jobs.reserve(upload.job, more, keep_seconds=keep):
            raise UploadSuperseded
    if length > upload.received:
        services.resumable_uploads.set_length(upload, length)
    return replace(upload, length=length, job=replace(upload.job, video_bytes=max(length, reserved)))


def _remove(job: Job, services: Services) -> bool:
    """Return whether an upload is cancelled, or its job deleted; if not, its state has changed."""
    if job.state == State.RECEIVING and services.jobs.cancel_upload(job.id):
        dispose(job, services)
        return True
    found = services.jobs.find(job.id)
    return found is None or found.state == State.DELETED or leave_no_job(found, services.jobs)
