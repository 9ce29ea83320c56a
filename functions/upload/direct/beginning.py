"""The beginning of a direct upload, and the URLs of its parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from soundlift.common.errors import MediaNotFound, SoundliftError, UploadDeleted
from soundlift.common.jobs.direct_uploads import DirectUpload
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import Job, State
from soundlift.common.jobs.quota import Reservation
from soundlift.common.jobs.upload_keys import UploadKey
from soundlift.common.logging import bind_job, current_traceparent
from soundlift.common.media import MediaInfo
from soundlift.common.media.direct import DirectUploads
from soundlift.common.options.parsing import parse_options
from soundlift.common.services import Services
from soundlift.common.webhooks.named import with_webhook_id

from ..earlier import find_known_job
from .announcement import Announcement
from .completion import discard

PART_BYTES = 16 * 2**20  # repeated at most after an interruption; sent within URL_SECONDS even at 20 kB/s
MAX_PARTS = 10_000  # of S3
FIRST_PARTS = (
    8  # that are missing, and whose URLs are in the first response; a client asks for the others when they are due
)
URL_SECONDS = 15 * 60  # less than an upload waits for the next request
MEGABYTE = 2**20


def part_bytes_for(size: int) -> int:
    """Return the size of all parts but the last, in bytes: PART_BYTES, or more if there were too many of them."""
    smallest = -(-size // MAX_PARTS)
    return max(PART_BYTES, -(-smallest // MEGABYTE) * MEGABYTE)


def key_of(sent: UploadKey, announced: Announcement) -> UploadKey:
    """Return the key of a request with the fingerprint of what it announces."""
    payload = ["direct", sorted(announced.options), announced.name, announced.content_type, announced.size]
    return UploadKey(sent.username, sent.text, hashlib.sha256(json.dumps(payload).encode()).hexdigest())


def find_or_create(
    announced: Announcement, key: UploadKey | None, username: str, limits: Limits, services: Services
) -> Job:
    """Return the job of an earlier request with the same key, in any state, or a new one, before the store is touched.

    Raises what a plain upload raises.
    """
    options = with_webhook_id(parse_options(announced.options, services.settings), username, services)
    if key and (job := find_known_job(key, services.jobs)):
        return job
    services.upload_admission.check(announced_bytes=announced.size)
    return services.jobs.receive(
        username=username,
        file_name=announced.name,
        content_type=announced.content_type,
        traceparent=current_traceparent(),
        options=options.to_json(),
        reservation=Reservation(announced.size, limits),
        key=key,
        part_bytes=part_bytes_for(announced.size),
    )


def begin_in_store(upload: DirectUpload, services: Services, store: DirectUploads) -> str:
    """Begin an upload in the store unless it has begun already, and return the store's reference.

    If two requests do so at once, both get the same reference. What the store then has of the other one is removed
    with the files of the job. Raises UploadDeleted if the upload has ended, and after StoreUnavailable or
    DirectUnavailable nothing of it is kept.
    """
    if upload.reference is not None:
        return upload.reference
    job = upload.job
    bind_job(job.id)
    info = MediaInfo(job.username, job.file_name, job.content_type, job.id)
    try:
        begun = store.begin(job.video_fid, info)
    except SoundliftError:
        discard(job, services)
        raise
    reference = services.direct_uploads.begin(job.id, begun)
    if reference is None:
        services.videos.delete(job.video_fid)
        raise UploadDeleted("The upload was cancelled or abandoned; begin another one.")
    return reference


def received_numbers(upload: DirectUpload, store: DirectUploads) -> list[int]:
    """Return the numbers of the parts that have arrived with their sizes, before `begin_in_store` is called.

    If the store has no such upload any more, an earlier request to complete it has made one file of all parts. Should
    that be lost as well, the next one says so.
    """
    if upload.reference is None:
        return []
    try:
        parts = store.parts(upload.job.video_fid, upload.reference)
    except MediaNotFound:
        return list(range(1, upload.part_count + 1))
    return [
        part.number for part in parts if part.number <= upload.part_count and part.size == upload.part_size(part.number)
    ]


def part_documents(
    upload: DirectUpload, reference: str, numbers: Iterable[int], store: DirectUploads
) -> list[dict[str, Any]]:
    """Return the number, the size in bytes and the URL of each of these parts."""
    fid = upload.job.video_fid
    return [
        {
            "number": number,
            "size": (size := upload.part_size(number)),
            "url": store.sign_part(fid, reference, number=number, size=size, seconds=URL_SECONDS),
        }
        for number in numbers
    ]


def is_receiving(upload: DirectUpload) -> bool:
    """Return whether parts of an upload may still arrive."""
    return upload.job.state == State.RECEIVING
