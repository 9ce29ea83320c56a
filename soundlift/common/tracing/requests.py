"""One span for each request of a function."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import partial

import structlog
from flask import Flask, Response, g, request

from soundlift.common.jobs.model import JOB_ID
from soundlift.common.tracing.spans import Kind, Span, begin_span, error_type, is_on, leave
from soundlift.common.web.request_log import HEALTH

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"})
VARIABLE = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")
ANY_PATH = "/<anything:path>"
HIDDEN = "*"
RECEIVES_EVENTS = "RECEIVES_EVENTS"  # the name in an application's configuration


def trace_requests(app: Flask) -> None:
    """Make an application record each request except for health checks; call this after `log_requests`.

    If a function receives events, its span begins once the event is read, see `begin_event_span`.
    """

    def begin() -> None:
        if is_on() and not request.path.startswith(HEALTH):
            g.span_began = time.time_ns()
            if not app.config.get(RECEIVES_EVENTS):
                begin_request_span(app.name, request.headers.get("traceparent"))

    def describe(response: Response) -> Response:
        if "span_began" in g:
            if "span" not in g:  # the request has no event
                begin_request_span(app.name, request.headers.get("traceparent"))
            _describe(g.span, response.status_code)
            error = str(response.status_code) if response.status_code >= 500 else ""
            response.call_on_close(partial(g.span.end, error))
        return response

    def forget(error: BaseException | None) -> None:
        if error is not None and "span" in g:
            g.span.end(error_type(error))
        leave()

    app.before_request(begin)
    app.after_request(describe)
    app.teardown_request(forget)


def begin_request_span(function: str, parent: str | None, links: Sequence[str | None] = ()) -> Span:
    """Begin the span of the current request, at the time when the request began."""
    method = request.method if request.method in METHODS else "_OTHER"
    route = f"/{function}{_route()}"
    attributes = {
        "http.request.method": method,
        "http.route": route,
        "url.path": f"/{function}{_path()}",
        "url.scheme": request.scheme,
        "faas.name": function,
    }
    name = f"{'HTTP' if method == '_OTHER' else method} {route}"
    span = begin_span(name, Kind.SERVER, parent=parent, links=links, attributes=attributes, began=g.span_began)
    g.span = span
    return span


def _describe(span: Span, status: int) -> None:
    span.set("http.response.status_code", status)
    job_id = structlog.contextvars.get_contextvars().get("job_id")
    if isinstance(job_id, str) and JOB_ID.fullmatch(job_id):
        span.set("soundlift.job_id", job_id)


def _route() -> str:
    """Return the rule of the request's route below its function, empty if that handles any path."""
    rule = request.url_rule.rule if request.url_rule else ANY_PATH
    return "" if rule in (ANY_PATH, "/") else rule


def _path() -> str:
    """Return the request's path without whatever a client may have put into it, except for ids of jobs."""
    if request.url_rule is None:
        return f"/{HIDDEN}"
    values = request.view_args or {}

    def shown(variable: re.Match[str]) -> str:
        value = str(values.get(variable[1], ""))
        return value if not value or JOB_ID.fullmatch(value) else HIDDEN

    return VARIABLE.sub(shown, request.url_rule.rule)
