"""The changes in a list of jobs as Server-Sent Events (https://html.spec.whatwg.org, section 9.2)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import structlog
from flask import Request, Response, json, stream_with_context
from flask.typing import ResponseReturnValue

from soundlift.common.errors import SoundliftError
from soundlift.common.services import Services

from .arguments import scope_of
from .changes import POLL_SECONDS, next_changes, resync_document
from .listing import check_query
from .long_polls import permitted_wait

STREAM_SECONDS = 25.0  # shorter than the usual time-outs of proxies
RETRY_MILLISECONDS = 2000

log = structlog.get_logger()


def stream_events(request: Request, services: Services) -> ResponseReturnValue:
    """Return an event for each change, for STREAM_SECONDS; the client then connects again with the last event's id.

    The first event is made before the response begins, so that a refusal has its own status. At the limit of waiting
    requests, the stream ends after the changes that there are.
    """
    scope = scope_of(request, services)
    check_query(request)
    first = _first_document(request, services, scope)
    with ExitStack() as stack:
        seconds = stack.enter_context(permitted_wait(services, STREAM_SECONDS))
        events = stream_with_context(_events(request, services, scope, first, seconds))
        response = Response(events, mimetype="text/event-stream")
        response.call_on_close(stack.pop_all().close)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would otherwise hold events back
    return response


def _first_document(request: Request, services: Services, scope: str | None) -> dict[str, Any]:
    cursor = request.headers.get("Last-Event-ID") or request.args.get("changed_since")
    if cursor is None:
        return resync_document(request, services, scope)
    return next_changes(request, services, scope, cursor, wait=0)


def _events(
    request: Request, services: Services, scope: str | None, document: dict[str, Any], seconds: float
) -> Iterator[str]:
    """Yield an event with a document, and then one for each change in the following seconds."""
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    yield _event(document)
    deadline = time.monotonic() + seconds
    try:
        while (rest := deadline - time.monotonic()) > 0 and not services.shutdown.is_overdue(0):
            time.sleep(min(POLL_SECONDS, rest))
            document = next_changes(request, services, scope, document["cursor"], wait=rest)
            yield _event(document)
    except SoundliftError as error:
        log.warning("stream of events ended", code=error.code, **error.evidence)


def _event(document: dict[str, Any]) -> str:
    """Return an event, or only its id if nothing has changed: the client keeps the id, and no event happens."""
    if not (document["jobs"] or document["deleted"] or document["resync"]):
        return f"id: {document['cursor']}\n\n"
    return f"event: jobs\nid: {document['cursor']}\ndata: {json.dumps(document)}\n\n"
