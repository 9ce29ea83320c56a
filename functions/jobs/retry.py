"""Another conversion of a job that failed or was cancelled."""

from __future__ import annotations

from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.scopes import Scope
from soundlift.common.errors import Gone, NotFound, NotRetryable
from soundlift.common.jobs.model import HIDDEN, LOST, RETRYABLE, Job, State
from soundlift.common.jobs.publication import publish_queued
from soundlift.common.services import Services

from .arguments import documents, own_job


def retry_job(request: Request, services: Services, job_id: str) -> ResponseReturnValue:
    """Queue a failed or cancelled job again with its stored video, and return it.

    Raises NotRetryable, Gone if its video has been deleted, or TooManyJobs.
    """
    job = own_job(job_id, request, services, Scope.JOBS_WRITE)
    _require_retryable(job)
    queued = services.jobs.retry(job, services.limits.of(job.username, services.settings))
    if queued is None:
        _refuse_changed(services.jobs.find(job.id))
        raise NotRetryable("The job has just changed. Check its state again.")
    publish_queued(queued, services.jobs, lambda: services.publisher)
    return jsonify(documents([queued], services)[0]), 202


def _refuse_changed(job: Job | None) -> None:
    if job is None or job.state in HIDDEN:
        raise NotFound("You have no job with this id.")
    _require_retryable(job)


def _require_retryable(job: Job) -> None:
    if job.state == State.EXPIRED:
        raise Gone("The video of this job has expired and was deleted. Upload it again.")
    if job.error_code in LOST:
        raise Gone("This server has lost the video of this job. Upload it again.")
    if job.state in RETRYABLE and not job.has_video:
        raise NotRetryable("The video of this job was not imported completely. Import it again.")
    if job.state not in RETRYABLE:
        raise NotRetryable(
            f"Only a job that failed or was cancelled can be retried; the state of this one is {job.state}."
        )
