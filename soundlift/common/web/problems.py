"""Problem documents (RFC 9457), the body of every error response."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from soundlift.common.errors import PROBLEM, UNEXPECTED, SoundliftError, problem_code
from soundlift.common.logging import trace_id

log = structlog.get_logger()


def register_error_handlers(app: Flask) -> None:
    """Make an application respond to every error with a problem document."""
    app.register_error_handler(SoundliftError, problem_response)
    app.register_error_handler(HTTPException, _http_exception_response)
    app.register_error_handler(Exception, lambda _: unexpected_problem(HTTPStatus.INTERNAL_SERVER_ERROR, {}))


def problem_response(error: SoundliftError) -> Response:
    """Return the response to an error, and log the error unless the client caused it."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning(error.code, detail=error.detail, **error.evidence)
    return _problem(error.status, error.title, error.public_detail, error.code, error.headers)


def unexpected_problem(status: HTTPStatus, headers: Mapping[str, str]) -> Response:
    """Log the exception being handled, and return a response that discloses only its trace id."""
    log.exception("unexpected error")
    detail = UNEXPECTED.format(trace_id=trace_id())
    return _problem(status, status.phrase, detail, "internal_error", headers)


def _http_exception_response(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR.value
    headers = {name: value for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")}
    return _problem(status, error.name, error.description or error.name, problem_code(error.name), headers)


def _problem(status: int, title: str, detail: str, code: str, headers: Mapping[str, str]) -> Response:
    response = jsonify(title=title, status=status, detail=detail, code=code)
    response.status_code = status
    response.headers.update(headers)
    response.content_type = PROBLEM
    return response
