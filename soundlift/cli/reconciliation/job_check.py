"""The search for jobs whose files are missing in the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from soundlift.cli.reconciliation.deployment import Deployment
from soundlift.cli.reconciliation.findings import Action, Finding
from soundlift.common.errors import MediaNotFound
from soundlift.common.jobs.files import pages_of_jobs
from soundlift.common.jobs.model import Job, State


def check_jobs(deployment: Deployment, *, apply: bool) -> Iterator[Finding]:
    """Yield the jobs whose files are missing, after acting on them if `apply`; then the queue may be empty as well.

    Each action is a step of the state machine, which has no effect if the job has changed since it was read.
    """
    steps: dict[Action, Callable[[Job], bool]] = {
        Action.FAIL_WITHOUT_VIDEO: deployment.jobs.fail_without_video,
        Action.FAIL_WITHOUT_AUDIO: deployment.jobs.fail_without_audio,
        Action.CONVERT_AGAIN: deployment.jobs.convert_again,
    }
    for jobs in jobs_with_files(deployment):
        for job, action in _incomplete(deployment, jobs):
            if not apply or steps[action](job):
                yield Finding(action=action, done=apply, job=job.id, state=job.state)
        if apply and (queued := [job.id for job in jobs if job.state == State.QUEUED]):
            deployment.jobs.resend_soon(queued)


def jobs_with_files(deployment: Deployment) -> Iterator[list[Job]]:
    """Yield pages of the jobs that need a file and that no worker is converting now.

    Cleanup deletes the files of those whose retention is over.
    """
    oldest = time.time() - deployment.retention
    for page in pages_of_jobs(deployment.database):
        if jobs := [job for job in page if _needs_files(job, oldest)]:
            yield jobs


def _needs_files(job: Job, oldest: float) -> bool:
    match job.state:
        case State.QUEUED:
            return True
        case State.CONVERTING:
            return job.claim_lapsed
        case State.READY:
            return job.changed_at > oldest
    return False


def _incomplete(deployment: Deployment, jobs: list[Job]) -> Iterator[tuple[Job, Action]]:
    sizes = {
        "videos": deployment.inventories["videos"].sizes({job.video_fid for job in jobs}),
        "mp3s": deployment.inventories["mp3s"].sizes({job.mp3_fid for job in jobs if job.mp3_fid}),
    }

    def is_stored(bucket: str, fid: str | None, size: int | None) -> bool:
        """Return whether a file is complete; one that the listing does not have may have been written since then."""
        if fid is None:
            return False
        listed = sizes[bucket].get(fid)
        return (listed is not None and size in (None, listed)) or _is_readable(deployment, bucket, fid, size)

    for job in jobs:
        if job.state == State.READY and is_stored("mp3s", job.mp3_fid, job.mp3_bytes):
            continue
        has_video = is_stored("videos", job.video_fid, job.video_bytes)
        if job.state == State.READY:
            yield job, Action.CONVERT_AGAIN if has_video else Action.FAIL_WITHOUT_AUDIO
        elif not has_video:
            yield job, Action.FAIL_WITHOUT_VIDEO


def _is_readable(deployment: Deployment, bucket: str, fid: str, size: int | None) -> bool:
    try:
        reader = deployment.stores[bucket].open(fid)
    except MediaNotFound:
        return False
    reader.file.close()
    return size in (None, reader.size)
