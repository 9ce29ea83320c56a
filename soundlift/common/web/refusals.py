"""Refuses requests that never reach the application, with problem documents: not HTTP, too large, or too slow."""

from __future__ import annotations

import json
from http import HTTPStatus

from gunicorn.http import errors

from soundlift.common.errors import PROBLEM, UNFORESEEN, TooSlow, code_of
from soundlift.common.logging import trace_id

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
    HTTPStatus.EXPECTATION_FAILED: "The only expectation that this server knows is 100-continue.",
    HTTPStatus.TOO_MANY_REQUESTS: "This address has too many connections open. Close some, then try again.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The request's headers are too large.",
    HTTPStatus.INTERNAL_SERVER_ERROR: UNFORESEEN,
    HTTPStatus.NOT_IMPLEMENTED: "The request's transfer coding is not supported. Send the body plain or chunked.",
}


def status_of(error: Exception) -> HTTPStatus:
    """Return the status that answers what gunicorn raised: 400 for all that its parser refuses, else 500."""
    found = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), None)
    fallback = HTTPStatus.BAD_REQUEST if isinstance(error, errors.ParseException) else HTTPStatus.INTERNAL_SERVER_ERROR
    return found or fallback


def refusal(status: HTTPStatus) -> bytes:
    """Return a whole HTTP/1.1 response that refuses a request and closes its connection."""
    detail = DETAILS[status].format(trace_id=trace_id())
    document = {"title": status.phrase, "status": status.value, "detail": detail, "code": code_of(status.phrase)}
    body = json.dumps(document).encode()
    waits = ["Retry-After: 10"] if status is HTTPStatus.TOO_MANY_REQUESTS else []
    head = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {PROBLEM}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *waits,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
