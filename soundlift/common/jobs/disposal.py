"""The deletion of the files of jobs that have ended, and of files that dead workers left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundlift.common.jobs.model import WAITING, Job

if TYPE_CHECKING:
    from soundlift.common.services import Services


def dispose(job: Job, services: Services) -> bool:
    """Delete the files of a job that has ended, then record that on the row; return whether this call recorded it.

    Raises StoreUnavailable, after which the row still names the files.
    """
    services.videos.delete(job.video_fid)
    if job.mp3_fid:
        services.mp3s.delete(job.mp3_fid)
    return services.jobs.mark_disposed(job)


def delete_abandoned_output(job: Job, services: Services) -> None:
    """Delete the audio file that a dead worker left behind for a job; raises StoreUnavailable or DatabaseUnavailable.

    Nobody else needs it: a claim that has lapsed is never renewed.
    """
    if job.mp3_fid and job.state in WAITING and job.claim_lapsed and services.jobs.confirm_unclaimed(job):
        services.mp3s.delete(job.mp3_fid)
