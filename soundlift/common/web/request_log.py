"""The trace that a request belongs to, and its line in the log."""

from __future__ import annotations

import time

import structlog
from flask import Flask, Response, g, request

from soundlift.common.logging import begin_trace

HEALTH = "/_/"  # below it, every few seconds, platforms ask for a function's health

log = structlog.get_logger()


def log_requests(app: Flask) -> None:
    """Have an application log each request with its trace id, but not those for its health."""

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
