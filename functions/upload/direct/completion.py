"""The end of a direct upload: its video is checked, and its job queued; or nothing of it is kept.

If the process ends between any two steps, the next request to complete the upload goes on where they stopped; without
one, cleanup abandons the upload by its row.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from soundlift.common.audio.formats import SIGNATURE_BYTES
from soundlift.common.errors import (
    MediaNotFound,
    NotReady,
    SoundliftError,
    UploadDeleted,
    UploadIncomplete,
)
from soundlift.common.jobs.direct_uploads import DirectUpload
from soundlift.common.jobs.disposal import dispose
from soundlift.common.jobs.model import HIDDEN, Job, State
from soundlift.common.jobs.publication import publish_queued
from soundlift.common.media.direct import DirectUploads, StoredPart
from soundlift.common.services import Services

from ..earlier import CANCEL_TRIES, leave_no_job
from ..known_format import require_known_format

MAX_LISTED = 10
LOST = "The media store has nothing of this upload any more; send the file again."

log = structlog.get_logger()


def complete(upload: DirectUpload, services: Services, store: DirectUploads) -> Job:
    """Make one file of the parts, check it, queue the job and return it.

    Raises UploadIncomplete, after which parts may still be sent; UnsupportedMedia or UploadDeleted, after which nothing
    is kept; or StoreUnavailable or DatabaseUnavailable, after which the request can be repeated.
    """
    _join(upload, store)
    try:
        _check_file(upload, services)
    except MediaNotFound:
        return _made_meanwhile(upload.job, services)
    except SoundliftError as error:
        if error.status < 500:
            discard(upload.job, services)
        raise
    return _queue(upload, services)


def abandon(job: Job, services: Services) -> None:
    """Let an upload leave no job and no file, whether it is complete or not; raises NotReady if the job is changing."""
    current: Job | None = job
    for _ in range(CANCEL_TRIES):
        if current is None or current.state == State.DELETED:
            return
        if discard(current, services) if current.state == State.RECEIVING else leave_no_job(current, services.jobs):
            return
        current = services.jobs.find(job.id)
    raise NotReady("The job has just changed. Cancel the upload again.")


def _join(upload: DirectUpload, store: DirectUploads) -> None:
    """Make one file of the parts, unless an earlier request has, which `_check_file` then shows."""
    fid, reference = upload.job.video_fid, upload.reference
    try:
        parts = store.parts(fid, reference) if reference else []
        _check_parts(parts, upload)
        if reference:
            store.complete(fid, reference, parts)
    except MediaNotFound:
        return


def _check_parts(parts: Sequence[StoredPart], upload: DirectUpload) -> None:
    """Raise UploadIncomplete unless the parts are exactly those that the row describes."""
    sizes = {part.number: part.size for part in parts}
    expected = {number: upload.part_size(number) for number in range(1, upload.part_count + 1)}
    missing = [number for number in expected if number not in sizes]
    wrong = [number for number, size in sizes.items() if expected.get(number) != size]
    if missing:
        raise UploadIncomplete(f"Of {upload.part_count} parts, these have not arrived: {_listed(missing)}. Send them.")
    if wrong:
        raise UploadIncomplete(
            f"These parts do not have the size that was announced: {_listed(wrong)}. Send them again."
        )


def _check_file(upload: DirectUpload, services: Services) -> None:
    """Raise UnsupportedMedia for another format, UploadIncomplete for another size, or MediaNotFound."""
    reader = services.videos.open(upload.job.video_fid)
    with reader.file as file:
        if reader.size != upload.size:
            raise UploadIncomplete(f"The stored video has {reader.size} bytes, and {upload.size} were announced.")
        require_known_format(file.read(SIGNATURE_BYTES))


def _made_meanwhile(job: Job, services: Services) -> Job:
    """Return the job that a simultaneous request has queued: it may have ended, and its video be deleted, by now.

    Raises UploadDeleted if there is none, after which nothing of the upload is kept.
    """
    if not discard(job, services):
        found = services.jobs.find(job.id)
        if found is not None and found.state not in HIDDEN:
            return found
    raise UploadDeleted(LOST)


def _queue(upload: DirectUpload, services: Services) -> Job:
    job = services.jobs.queue(upload.job.id, video_bytes=upload.size)
    if job is not None:
        publish_queued(job, services.jobs, lambda: services.publisher)
        return job
    found = services.jobs.find(upload.job.id)
    if found is None or found.state in HIDDEN:
        services.videos.delete(upload.job.video_fid)  # cleanup may have deleted the row before the parts were joined
        raise UploadDeleted(LOST)
    return found


def discard(job: Job, services: Services) -> bool:
    """Delete an upload and what has been stored of it, now or by cleanup; return whether this call did."""
    if not services.jobs.roll_back(job.id):
        return False
    try:
        dispose(job, services)
    except SoundliftError as error:
        log.warning("upload left to cleanup", code=error.code, **error.evidence)
    return True


def _listed(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - MAX_LISTED} more" if len(numbers) > MAX_LISTED else ""
    return f"{', '.join(map(str, numbers[:MAX_LISTED]))}{more}"
