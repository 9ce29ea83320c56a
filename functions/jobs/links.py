"""Signed links to the audio files of jobs, which work without a sign-in for LINK_SECONDS."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.scopes import Scope
from soundlift.common.jobs.document import archive_link, expiry_time, iso_time, require_audio, signed_link
from soundlift.common.jobs.model import MAX_ARCHIVE_JOBS, Job
from soundlift.common.services import Services
from soundlift.common.web.job_ids import find_visible_jobs, read_job_ids

from .arguments import identify, own_job


def create_link(request: Request, services: Services, job_id: str) -> ResponseReturnValue:
    """Return a link to one audio file; raises NotReady or Gone."""
    job = own_job(job_id, request, services, Scope.DOWNLOAD)
    token = services.tokens.download_link(require_audio(job))
    return _link(signed_link(job, token, services.settings), [job], services)


def create_archive_link(request: Request, services: Services) -> ResponseReturnValue:
    """Return a link to a ZIP file of several jobs' audio files; raises NotReady or Gone if one of them has none."""
    identity = identify(request, services, Scope.DOWNLOAD)
    ids = read_job_ids(request, highest=MAX_ARCHIVE_JOBS)
    jobs = find_visible_jobs(ids, identity, services)
    for job in jobs:
        require_audio(job)
    token = services.tokens.archive_link(ids)
    return _link(archive_link(ids, token, services.settings), jobs, services)


def _link(url: str, jobs: Sequence[Job], services: Services) -> ResponseReturnValue:
    """Return a link and when it ends: with its token, or earlier with the first of the files."""
    ends = [expiry_time(job, services.settings) or 0 for job in jobs]
    response = jsonify(url=url, expires_at=iso_time(min(int(time.time()) + services.settings.link_seconds, *ends)))
    response.headers["Cache-Control"] = "no-store"
    return response
