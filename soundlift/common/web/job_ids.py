"""Lists of job ids in the bodies of requests."""

from __future__ import annotations

from flask import Request

from soundlift.common.errors import BadRequest
from soundlift.common.jobs.model import JOB_ID


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
