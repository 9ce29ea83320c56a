"""The jobs that a request for a ZIP file names."""

from __future__ import annotations

from flask import Request

from soundlift.common.auth.scopes import Scope
from soundlift.common.auth.tokens import Identity
from soundlift.common.errors import BadRequest, NotFound
from soundlift.common.jobs.model import JOB_ID, MAX_ARCHIVE_JOBS, MAX_POSTED_JOBS, Job
from soundlift.common.services import Services
from soundlift.common.web.job_ids import find_visible_jobs, read_job_ids


def jobs_of_query(request: Request, services: Services) -> list[Job]:
    """Return the jobs in ?jobs=, in that order, for the bearer of an access token or of a signed link.

    Raises NotFound unless all of them exist and are visible.
    """
    ids = _ids_of_query(request)
    if "token" not in request.args:
        return find_visible_jobs(ids, _identify(request, services), services)
    services.tokens.check_archive_link(request.args["token"], ids)
    jobs = services.jobs.find_all(ids)
    if len(jobs) < len(ids):
        raise NotFound("One of these jobs does not exist any more.")
    return jobs


def jobs_of_body(request: Request, services: Services) -> list[Job]:
    """Return the jobs in a JSON body, which may be more than a URL can name; raises NotFound like `jobs_of_query`."""
    identity = _identify(request, services)
    return find_visible_jobs(read_job_ids(request, highest=MAX_POSTED_JOBS), identity, services)


def _identify(request: Request, services: Services) -> Identity:
    return services.identify(request.headers.get("Authorization"), scope=Scope.DOWNLOAD)


def _ids_of_query(request: Request) -> list[str]:
    ids = list(dict.fromkeys(request.args["jobs"].split(",", MAX_ARCHIVE_JOBS)))
    if len(ids) > MAX_ARCHIVE_JOBS or not all(JOB_ID.fullmatch(each) for each in ids):
        raise BadRequest(f"jobs must be 1 to {MAX_ARCHIVE_JOBS} job ids, separated by commas.")
    return ids
