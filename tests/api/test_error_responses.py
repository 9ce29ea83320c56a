"""The responses to requests that never reach the application."""

from __future__ import annotations

import json
from email.parser import BytesHeaderParser
from http import HTTPStatus

import pytest
from gunicorn.http import errors

from soundlift.common.errors import TooSlow
from soundlift.common.logging import begin_trace, end_trace
from soundlift.common.web.error_responses import DETAILS, error_response, error_status
from soundlift.common.web.security_headers import HEADERS

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.InvalidRequestLine, 400),
        (errors.InvalidHeader, 400),
        (errors.ForbiddenProxyRequest, 403),
        (TooSlow, 408),
        (errors.LimitRequestLine, 414),
        (errors.ExpectationFailed, 417),
        (errors.LimitRequestHeaders, 431),
        (errors.InvalidResponseHeader, 500),
        (errors.InvalidResponseHeaderName, 500),
        (OSError, 500),
        (errors.UnsupportedTransferCoding, 501),
    ],
)
def test_each_error_of_gunicorn_has_its_http_status(kind: type[Exception], status: int) -> None:
    assert error_status(kind.__new__(kind)) == status


@pytest.mark.parametrize("status", DETAILS)
def test_an_error_response_is_a_problem_document_and_closes_the_connection(status: HTTPStatus) -> None:
    head, _, body = error_response(status).partition(b"\r\n\r\n")
    line, _, fields = head.partition(b"\r\n")
    assert line == f"HTTP/1.1 {status.value} {status.phrase}".encode()
    headers = dict(BytesHeaderParser().parsebytes(fields))
    retry_after = headers.pop("Retry-After", None)
    assert (retry_after is not None and int(retry_after) > 0) == (status == 429)
    assert headers == {
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **HEADERS,
    }
    problem = json.loads(body)
    assert problem.pop("detail")
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    assert problem == {"title": status.phrase, "status": status.value, "code": code}


def test_an_internal_server_error_names_the_trace() -> None:
    begin_trace(f"00-{TRACE_ID}-00f067aa0ba902b7-01")
    try:
        assert (
            TRACE_ID in json.loads(error_response(HTTPStatus.INTERNAL_SERVER_ERROR).partition(b"\r\n\r\n")[2])["detail"]
        )
    finally:
        end_trace()
