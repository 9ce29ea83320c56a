"""The trace that a request belongs to, and its line in the log."""

from __future__ import annotations

import time

import structlog
from flask import Flask, Response, g, request

from soundlift.common.logging import begin_trace

HEALTH = "/_/"  # platforms request the health checks below this path every few seconds

log = structlog.get_logger()


def log_requests(app: Flask) -> None:
    """Make an application log each request with its trace id, except for health checks."""

    def begin() -> None:
        g.began = time.monotonic()
        begin_trace(request.headers.get("traceparent"), function=app.name)

    app.before_request(begin)
    app.after_request(_log)


def _log(response: Response) -> Response:
    if not request.path.startswith(HEALTH):
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            milliseconds=round((time.monotonic() - g.began) * 1000, 1),
        )
    return response
