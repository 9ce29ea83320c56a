"""A function behind gunicorn: malformed requests, a full disk, and traces in the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devservers.waiting import wait_for
from soundlift.common.services import Services
from tests.api.function_server import FunctionServer, read_problem, read_response, served

pytestmark = pytest.mark.servers

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
FULL = Path("/dev/full")


@pytest.fixture
def validate(services: Services) -> Iterator[FunctionServer]:
    with served("validate", services) as server:
        yield server


def test_headers_cannot_change_the_path(validate: FunctionServer) -> None:
    with validate.connect("GET /allowed/_/health", {"SCRIPT_NAME": "/allowed", "PATH_INFO": "/_/health"}) as connection:
        assert read_response(connection)[0] == 401


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"NONSENSE\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n1", 400, "bad_request"),
        (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400, "bad_request"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "request_uri_too_long"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431, "request_header_fields_too_large"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: rot13\r\n\r\n", 501, "not_implemented"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\n\r\n", 417, "expectation_failed"),
    ],
)
def test_invalid_http_is_rejected_with_a_problem_document(
    validate: FunctionServer, request_: bytes, status: int, code: str
) -> None:
    with validate.open() as connection:
        connection.sendall(request_)
        problem = read_problem(connection)
        assert connection.recv(1) == b"", "the connection is closed"
    assert (problem["status"], problem["code"]) == (status, code)
    assert set(problem) == {"title", "status", "detail", "code"}


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")
def test_requests_are_answered_even_if_the_log_s_disk_is_full(services: Services) -> None:
    with served("validate", services, {"THREADS": "2"}, log=FULL) as server, server.open() as connection:
        for _ in range(5):  # on one connection, where a request begins only after the previous one has freed its place
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert read_response(connection)[0] == 401


@pytest.mark.parametrize(
    "line", [b"GET / HTTP/1.9", b"GET http://example.org/ HTTP/1.1", b"GET http://example.org HTTP/1.1"]
)
def test_a_later_version_and_an_absolute_target_are_answered_like_others(validate: FunctionServer, line: bytes) -> None:
    with validate.open() as connection:
        connection.sendall(line + b"\r\nHost: a\r\n\r\n")
        assert connection.recv(20) == b"HTTP/1.1 401 UNAUTHO"


def test_an_unread_malformed_body_gets_no_second_response(services: Services) -> None:
    headers = {"Transfer-Encoding": "chunked"}
    body = b"8000\r\n" + bytes(0x8000) + b"\r\n"
    with served("upload", services) as server, server.connect("POST /", headers, body) as connection:
        status, answered, _ = read_response(connection)
        assert (status, answered["connection"]) == (401, "close")
        connection.sendall(b"no size\r\n")
        assert connection.recv(1) == b""


def test_a_rejection_is_not_logged_with_the_previous_request_s_trace(validate: FunctionServer) -> None:
    with validate.connect("GET /", {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}) as connection:
        assert read_response(connection)[0] == 401
    with validate.open() as connection:
        connection.sendall(b"NONSENSE\r\n\r\n")
        assert read_response(connection)[0] == 400
    lines = wait_for(
        lambda: [line for line in validate.log.read_text().splitlines() if "unreadable request" in line],
        "the rejection is logged",
    )
    assert [TRACE_ID in line for line in lines] == [False]
