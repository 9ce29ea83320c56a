"""Error responses for requests that never reach the application: not HTTP, too large, or too slow."""

from __future__ import annotations

import json
from http import HTTPStatus

from gunicorn.http import errors

from soundlift.common.errors import PROBLEM, UNEXPECTED, TooSlow, problem_code
from soundlift.common.logging import trace_id
from soundlift.common.web.security_headers import HEADERS

STATUSES: dict[type[Exception], HTTPStatus] = {
    TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    errors.InvalidResponseHeader: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.InvalidResponseHeaderName: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,  # RFC 9112, section 6.1
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.ForbiddenProxyRequest: HTTPStatus.FORBIDDEN,
}
DETAILS = {
    HTTPStatus.BAD_REQUEST: "The request is not valid HTTP/1.1, so it was not read.",
    HTTPStatus.FORBIDDEN: "The request did not come through the expected proxy.",
    HTTPStatus.REQUEST_TIMEOUT: "The request did not arrive in time. Send it again.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The request line is too long.",
    HTTPStatus.EXPECTATION_FAILED: "The only supported expectation is 100-continue.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many connections from this address; close some, then retry.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The request's headers are too large.",
    HTTPStatus.INTERNAL_SERVER_ERROR: UNEXPECTED,
    HTTPStatus.NOT_IMPLEMENTED: "The request's transfer coding is not supported. Send the body plain or chunked.",
}


def error_status(error: Exception) -> HTTPStatus:
    """Return the status for an exception: one of STATUSES, 400 for other errors of gunicorn's parser, otherwise 500."""
    found = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), None)
    fallback = HTTPStatus.BAD_REQUEST if isinstance(error, errors.ParseException) else HTTPStatus.INTERNAL_SERVER_ERROR
    return found or fallback


def error_response(status: HTTPStatus) -> bytes:
    """Return a complete HTTP/1.1 response with a problem document; it is the last response of its connection."""
    detail = DETAILS[status].format(trace_id=trace_id())
    document = {"title": status.phrase, "status": status.value, "detail": detail, "code": problem_code(status.phrase)}
    body = json.dumps(document).encode()
    retry_after = ["Retry-After: 10"] if status is HTTPStatus.TOO_MANY_REQUESTS else []
    head = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {PROBLEM}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *retry_after,
        *(f"{name}: {value}" for name, value in HEADERS.items()),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
