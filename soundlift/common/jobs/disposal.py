"""Deletes what the media store holds of a job that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundlift.common.jobs.model import WAITING, Job

if TYPE_CHECKING:
    from soundlift.common.services import Services


def dispose(job: Job, services: Services) -> bool:
    """Delete a job's files, then note it on the row; tell whether this call was the one that did.

    Raises StoreUnavailable; the row still says then what is to be deleted.
    """
    services.videos.delete(job.video_fid)
    if job.mp3_fid:
        services.mp3s.delete(job.mp3_fid)
    return services.jobs.disposed(job)


def give_up(job: Job, services: Services) -> bool:
    """Delete what a dead worker left of a job, and fail the job if its claims or its day are used up.

    Tells whether it was failed. Nobody else can want that MP3: a claim that has lapsed never comes back.
    Raises StoreUnavailable.
    """
    if job.state not in WAITING or not job.claim_lapsed:
        return False
    if job.mp3_fid:
        services.mp3s.delete(job.mp3_fid)
    return services.jobs.give_up(job)
