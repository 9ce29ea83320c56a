"""Lists of job ids in the bodies of requests, and the jobs that they name."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Request

from soundlift.common.auth.tokens import Identity
from soundlift.common.errors import BadRequest, NotFound
from soundlift.common.jobs.model import JOB_ID, Job
from soundlift.common.services import Services


def read_job_ids(request: Request, *, highest: int) -> list[str]:
    """Return the job ids of a JSON body, {"jobs": [ID, …]}, each once; raises BadRequest for more than `highest`.

    The body counts as JSON whatever its type says: only a token in a header, which no form sends, authorizes it.
    """
    sent = request.get_json(force=True, silent=True)
    ids = sent.get("jobs") if isinstance(sent, dict) else None
    if not isinstance(ids, list) or not all(isinstance(each, str) and JOB_ID.fullmatch(each) for each in ids):
        raise BadRequest('The body must be a JSON object with job ids: {"jobs": ["…", "…"]}.')
    if not 1 <= len(ids) <= highest:
        raise BadRequest(f"jobs must be 1 to {highest} job ids.")
    return list(dict.fromkeys(ids))


def find_visible_jobs(ids: Sequence[str], identity: Identity, services: Services) -> list[Job]:
    """Return jobs by their ids, in that order; raises NotFound unless all of them exist and the user may see them."""
    jobs = [job for job in services.jobs.find_all(ids) if identity.may_see(job.username)]
    if missing := set(ids) - {job.id for job in jobs}:
        raise NotFound(f"You have no job with the id {min(missing)}.")
    return jobs
