"""The list of jobs: pages, newest first, of all jobs or of those that a search finds."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Request

from soundlift.common.errors import BadRequest
from soundlift.common.jobs.cursor import Cursor
from soundlift.common.jobs.lists import Search, position_of
from soundlift.common.jobs.model import HIDDEN, Job, State
from soundlift.common.services import Services
from soundlift.common.web.query import whole_number

from .arguments import documents
from .long_polls import MAX_WAIT_SECONDS

MAX_PAGE_SIZE = 100
PAGE_SIZE = 50
MAX_SEARCH_LENGTH = 255  # characters, as many as a file name has at most
STATES = tuple(state for state in State if state not in HIDDEN)


def page_document(request: Request, services: Services, scope: str | None) -> dict[str, Any]:
    """Return the page of the list that a request names, and a cursor for the changes after it.

    The cursor is read first: a change between the two is on the page and is listed again.
    """
    search, limit = _search(request), _limit(request)
    moment = services.jobs.moment()
    updates = services.jobs.updates(scope, since=Cursor.start(moment))
    jobs, position = _page(request, services, scope, search, limit)
    links = {"next": _next_link(request, services, limit, position)} if position else {}
    return {"jobs": documents(jobs, services), "cursor": str(Cursor.after(updates, moment, scope)), "links": links}


def _page(
    request: Request, services: Services, scope: str | None, search: Search | None, limit: int
) -> tuple[list[Job], str | None]:
    """Return the jobs of a page, and the position at which the next one begins."""
    after = request.args.get("after")
    if search is not None:
        return services.jobs.search(scope, search, after=after, limit=limit)
    jobs = services.jobs.page(scope, after=after, limit=limit)
    return jobs, position_of(jobs[-1]) if jobs and len(jobs) == limit else None


def check_query(request: Request) -> None:
    """Raise BadRequest for a malformed parameter of a list, whether or not it applies to this request."""
    _search(request)
    _limit(request)
    whole_number(request, "wait", default=0, highest=MAX_WAIT_SECONDS)


def _limit(request: Request) -> int:
    return whole_number(request, "limit", default=PAGE_SIZE, highest=MAX_PAGE_SIZE)


def _search(request: Request) -> Search | None:
    text = request.args.get("q", "")
    if len(text) > MAX_SEARCH_LENGTH:
        raise BadRequest(f"q may have at most {MAX_SEARCH_LENGTH} characters.")
    wanted = [name for name in request.args.get("state", "").split(",", len(STATES) - 1) if name]
    if unknown := [name for name in wanted if name not in STATES]:
        raise BadRequest(f"state must be one or more of {', '.join(STATES)}; it contains {unknown[0][:20]!r}.")
    return Search(text, [State(name) for name in wanted]) if text or wanted else None


def _next_link(request: Request, services: Services, limit: int, position: str) -> str:
    kept = {name: request.args[name] for name in ("q", "state", "user") if request.args.get(name)}
    return f"{services.settings.public_url}/jobs?{urlencode({'limit': limit, 'after': position, **kept}, safe='@')}"
