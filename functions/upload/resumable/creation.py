"""The creation of a resumable upload (tus 1.0, extension Creation)."""

from __future__ import annotations

import hashlib
import json

from flask import Request, Response
from flask.typing import ResponseReturnValue

from soundlift.common.auth.scopes import Scope
from soundlift.common.errors import TooLarge
from soundlift.common.file_names import clean_name
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.quota import Reservation
from soundlift.common.jobs.resumable_uploads import ResumableUpload
from soundlift.common.jobs.upload_keys import UploadKey
from soundlift.common.logging import current_traceparent
from soundlift.common.options.parsing import parse_options
from soundlift.common.services import Services
from soundlift.common.webhooks.named import with_webhook_id

from ..accepted import rate_limit
from ..content_type import checked_type
from ..earlier import find_known_job
from ..idempotency_key import read_key
from .headers import (
    Metadata,
    has_body,
    read_checksum,
    read_length,
    read_metadata,
    require_offset_type,
    require_version,
)
from .parts import deleted, part_response, receive_part
from .responses import upload_url


def create_upload(request: Request, services: Services) -> ResponseReturnValue:
    """Begin an upload, with its first bytes if there is a body; or return that with the same Idempotency-Key."""
    username = services.identify(request.headers.get("Authorization"), scope=Scope.UPLOAD).username
    require_version(request)
    length, metadata, checksum = read_length(request), read_metadata(request), read_checksum(request)
    if has_body(request):
        require_offset_type(request)
    limits = services.limits.of(username, services.settings)
    if (length or 0) > limits.largest_upload:
        raise TooLarge(f"A video may have at most {limits.largest_upload} bytes.")
    key = _key(request, username, length, metadata)
    if key and (earlier := _find_earlier(key, services)):
        return _created(earlier, services)
    upload = _insert(services, username, length, metadata, limits, key)
    if has_body(request):
        receive_part(request, services, upload, limits, checksum=checksum)
    response = _created(upload, services)
    response.headers.update(rate_limit(username, limits.uploads_per_hour, services))
    return response


def _key(request: Request, username: str, length: int | None, metadata: Metadata) -> UploadKey | None:
    """Return the key of an upload with its fingerprint, which no upload of another kind has."""
    if (key := read_key(request, username)) is None:
        return None
    payload = ["tus", sorted(metadata.options), metadata.file_name, metadata.content_type, length]
    return UploadKey(username, key.text, hashlib.sha256(json.dumps(payload).encode()).hexdigest())


def _find_earlier(key: UploadKey, services: Services) -> ResumableUpload | None:
    """Return the upload with this key, so that a client without the response to its creation can continue it."""
    if (job := find_known_job(key, services.jobs)) is None:
        return None
    if (earlier := services.resumable_uploads.take(job.id, key.username)) is None:
        raise deleted()
    return earlier


def _insert(  # noqa: PLR0913, PLR0917 - all that describes an upload
    services: Services, username: str, length: int | None, metadata: Metadata, limits: Limits, key: UploadKey | None
) -> ResumableUpload:
    """Insert the rows of an upload and of its job; the quota counts all of its bytes from now on."""
    options = with_webhook_id(parse_options(metadata.options, services.settings), username, services)
    services.upload_admission.check(announced_bytes=length or 0)
    rows = services.resumable_uploads
    job = services.jobs.receive(
        username=username,
        file_name=clean_name(metadata.file_name),
        content_type=checked_type(metadata.content_type),
        traceparent=current_traceparent(),
        options=options.to_json(),
        reservation=Reservation(length or 0, limits),
        key=key,
        keep_seconds=services.settings.resume_seconds,
        insert_more=rows.inserted(
            username=username,
            length=length,
            metadata=metadata.header,
            limit=services.settings.max_unfinished_uploads,
        ),
    )
    upload = rows.find(job.id)
    if upload is None:
        raise deleted()
    return upload


def _created(upload: ResumableUpload, services: Services) -> Response:
    response = part_response(upload, services, status=201)
    response.headers["Location"] = upload_url(upload.id, services.settings)
    return response
