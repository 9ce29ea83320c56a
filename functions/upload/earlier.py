"""An earlier upload with the same key: its job, and its cancellation."""

from __future__ import annotations

import math

from soundlift.common.errors import IdempotencyKeyReused, NotReady, UploadDeleted, UploadInProgress
from soundlift.common.jobs.keyed_uploads import KeyedUpload
from soundlift.common.jobs.model import CANCELLABLE, Job, State
from soundlift.common.jobs.store import Jobs
from soundlift.common.jobs.upload_keys import UploadKey

MAX_RETRY_SECONDS = 10  # an upload in progress may end before its lease does
CANCEL_TRIES = 5  # it begins, arrives, is cancelled and is deleted, and in between a worker may end it


def find_job(key: UploadKey, jobs: Jobs) -> Job | None:
    """Return the job that an earlier upload with this key made, or None if none did.

    Raises UploadInProgress, UploadDeleted, or IdempotencyKeyReused if the fingerprints differ.
    """
    job = _find(key, jobs)
    return None if job is None or job.state == State.RECEIVING else job


def find_job_or_take_over(key: UploadKey, jobs: Jobs) -> Job | None:
    """Return a job as `find_job` does; an upload whose process has died loses its key to this one."""
    job = _find(key, jobs)
    if job is None or job.state != State.RECEIVING:
        return job
    if not jobs.take_over(job):
        raise UploadInProgress
    return None


def find_known_job(key: UploadKey, jobs: Jobs) -> Job | None:
    """Return the job of an upload in any state, even RECEIVING; None if there is no upload with this key.

    Raises UploadDeleted, or IdempotencyKeyReused if the fingerprints differ.
    """
    found = jobs.find_upload(key)
    return None if found is None else _checked(found, key)


def _find(key: UploadKey, jobs: Jobs) -> Job | None:
    """Return the job of an upload, in the state RECEIVING only if its lease is over; None if there is no upload."""
    found = jobs.find_upload(key)
    if found is None:
        return None
    job = _checked(found, key)
    if job.state == State.RECEIVING and found.lease_seconds > 0:
        raise UploadInProgress(retry_after=math.ceil(min(MAX_RETRY_SECONDS, found.lease_seconds)))
    return job


def _checked(found: KeyedUpload, key: UploadKey) -> Job:
    job = found.job
    if found.fingerprint and key.fingerprint and found.fingerprint != key.fingerprint:
        raise IdempotencyKeyReused(
            "This Idempotency-Key belongs to an upload with another file, another length or other options. "
            "Send each upload with a key of its own."
        )
    if job is None or job.state == State.DELETED:
        raise UploadDeleted(
            "The upload with this Idempotency-Key was cancelled, or its job was deleted. Use a new key to upload the "
            "file again."
        )
    return job


def cancel(key: UploadKey, jobs: Jobs) -> None:
    """Let the upload with this key leave no job, whether it has arrived, is arriving, or has not begun.

    Raises Busy, or NotReady if the job keeps changing its state.
    """
    for _ in range(CANCEL_TRIES):
        if _cancel_once(key, jobs):
            return
    raise NotReady("The job has just changed. Cancel the upload again.")


def _cancel_once(key: UploadKey, jobs: Jobs) -> bool:
    """Return whether the upload is cancelled and its job deleted; if not, its state has changed."""
    found = jobs.find_upload(key)
    if found is None:
        return jobs.refuse_upload(key)
    job = found.job
    if job is None or job.state == State.DELETED:
        return True
    if job.state == State.RECEIVING:
        return jobs.cancel_upload(job.id)
    return leave_no_job(job, jobs)


def leave_no_job(job: Job, jobs: Jobs) -> bool:
    """Delete a job that an upload has made, and return whether this call did; if not, its state has changed."""
    if job.state in CANCELLABLE:
        jobs.cancel(job.id)
    return jobs.delete(job.id)
