"""The spans and the log lines of one job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from soundlift.common.jobs.model import Job
from soundlift.common.logging import bind_job, continue_trace
from soundlift.common.tracing.spans import Kind, is_on, span_in_trace


def log_job(job: Job) -> None:
    """Make all further logs of a request name a job and, unless the request has a span, the trace of its upload."""
    bind_job(job.id)
    if not is_on():
        continue_trace(job.traceparent)


@contextmanager
def job_span(name: str, job: Job) -> Iterator[None]:
    """Record the block as a step in the trace of a job's upload, which its row stores, and make its logs name the job.

    The event that led to it may be of another job, or its context may be lost: then the step is linked to the request.
    """
    log_job(job)
    with span_in_trace(name, Kind.INTERNAL, job.traceparent, {"soundlift.job_id": job.id}):
        yield
