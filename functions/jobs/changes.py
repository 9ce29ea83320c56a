"""What has changed in a list of jobs since a cursor, immediately or once something has."""

from __future__ import annotations

from typing import Any

from flask import Request

from soundlift.common.jobs.cursor import Cursor, Update
from soundlift.common.services import Services
from soundlift.common.web.query import whole_number

from .arguments import documents
from .listing import page_document
from .long_polls import MAX_WAIT_SECONDS, permitted_wait, poll

POLL_SECONDS = 0.5
MAX_CHANGES = 500  # jobs in one document; if more have changed, it has a page instead


def changes_document(request: Request, services: Services, scope: str | None) -> dict[str, Any]:
    """Return the jobs that changed after the cursor of a request, waiting for a change if it says so."""
    wait = whole_number(request, "wait", default=0, highest=MAX_WAIT_SECONDS)
    with permitted_wait(services, wait) as seconds:
        return next_changes(request, services, scope, request.args["changed_since"], wait=seconds)


def next_changes(request: Request, services: Services, scope: str | None, text: str, *, wait: float) -> dict[str, Any]:
    """Return the changes after a cursor, as soon as there are any, or none after `wait` seconds.

    If the cursor is unknown or too old, or too many jobs have changed, the document is that of `resync_document`.
    """
    moment = services.jobs.moment()
    cursor = Cursor.parse(text, scope)
    if cursor is None or not cursor.is_valid(moment):
        return resync_document(request, services, scope)

    def read() -> tuple[list[Update], list[Update]]:
        updates = services.jobs.updates(scope, since=cursor.since)
        return updates, cursor.changes(updates)

    updates, changes = poll(read, lambda result: bool(result[1]), services, seconds=wait, pause=POLL_SECONDS)
    if len(changes) > MAX_CHANGES:
        return resync_document(request, services, scope)
    following = Cursor.after(updates, moment, scope, since=cursor.since)
    return {**_documents(changes, services), "cursor": str(following), "resync": False, "links": {}}


def resync_document(request: Request, services: Services, scope: str | None) -> dict[str, Any]:
    """Return a page of the list in the form of changes: it replaces all that the client has."""
    return {**page_document(request, services, scope), "deleted": [], "resync": True}


def _documents(changes: list[Update], services: Services) -> dict[str, Any]:
    """Return the changed and the deleted jobs; one that was deleted and created again is not deleted."""
    jobs = services.jobs.find_all(change.job_id for change in changes if not change.deleted)
    deleted = {change.job_id for change in changes if change.deleted} - {job.id for job in jobs}
    return {"jobs": documents(jobs, services), "deleted": sorted(deleted)}
