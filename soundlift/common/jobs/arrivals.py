"""The end of a resumable upload: all of its bytes are stored, and its job is queued as that of any other upload."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from soundlift.common.errors import MediaNotFound, StoreUnavailable
from soundlift.common.jobs.model import HIDDEN, Job, State
from soundlift.common.jobs.publication import publish_queued
from soundlift.common.jobs.resumable_uploads import ResumableUpload
from soundlift.common.logging import bind_job, trace_of
from soundlift.common.media import MediaInfo, MediaStore
from soundlift.common.media.resumable import resumable_files

if TYPE_CHECKING:
    from soundlift.common.services import Services

MAX_SECONDS = 60.0  # a slow store must not keep cleanup from its other steps; the next run goes on

log = structlog.get_logger()


def media_info(job: Job) -> MediaInfo:
    """Return what a store may keep with the video of a job."""
    return MediaInfo(job.username, job.file_name, job.content_type, job.id)


def make_job(upload: ResumableUpload, services: Services) -> Job | None:
    """Make the file of an upload readable and queue its job, unless this has been done; return the job.

    Any number of requests, and cleanup, may do this at the same time. The result is None if the upload was deleted.
    Raises StoreUnavailable or DatabaseUnavailable, after which it can be repeated.
    """
    job = _make_job(upload, services)
    services.resumable_uploads.settle(upload.id)
    return job


def _make_job(upload: ResumableUpload, services: Services) -> Job | None:
    job = upload.job
    if job is None or job.state != State.RECEIVING:
        return upload.finished_job
    assert upload.length is not None
    assert upload.state is not None
    bind_job(job.id)
    try:
        resumable_files(services.videos).finish(job.video_fid, upload.state, media_info(job), size=upload.length)
    except MediaNotFound:
        found = _visible(services.jobs.find(job.id))
        if found is None and services.jobs.roll_back(job.id):
            log.error("file of an upload lost", fid=job.video_fid)
        return found
    return _queue(job, upload.length, services)


def make_arrived_jobs(services: Services) -> None:
    """Make the jobs of uploads whose last request died after it had stored the last bytes.

    An upload that cannot be read delays no other one, unless the whole store is unavailable: it waits behind the rest.
    """
    deadline = time.monotonic() + MAX_SECONDS
    for upload in services.resumable_uploads.unsettled():
        if time.monotonic() > deadline:
            return
        try:
            make_job(upload, services)
        except StoreUnavailable as error:
            about = {"job_id": upload.id, **(trace_of(upload.job.traceparent) if upload.job else {})}
            log.warning("store unavailable, upload waits", code=error.code, **about, **error.evidence)
            if not _answers(services.videos):
                return
            services.resumable_uploads.postpone(upload.id)


def _answers(store: MediaStore) -> bool:
    try:
        store.check()
    except StoreUnavailable:
        return False
    return True


def _queue(job: Job, size: int, services: Services) -> Job | None:
    queued = services.jobs.queue(job.id, video_bytes=size)
    if queued is not None:
        publish_queued(queued, services.jobs, lambda: services.publisher)
        return queued
    found = _visible(services.jobs.find(job.id))
    if found is None:  # the upload was deleted, perhaps before its file got its name
        services.videos.delete(job.video_fid)
    return found


def _visible(job: Job | None) -> Job | None:
    return None if job is None or job.state in HIDDEN else job
