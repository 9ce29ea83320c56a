"""Slow clients: a function serves all others meanwhile."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from devservers.waiting import wait_for
from soundlift.common.services import Services
from soundlift.common.web.request_buffer import SMALL_BODY_BYTES
from tests.api.function_server import FunctionServer, has_response, is_reset, read_response, served
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4

pytestmark = pytest.mark.servers

SLOW_CLIENTS = 60  # more than the function's threads
OTHER_ADDRESS = "127.0.0.2"
DEADLINE_SECONDS = 15  # a slow body is waited for longer

Serve = Callable[..., FunctionServer]


@pytest.fixture
def serve(services: Services) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(name: str, **environment: str) -> FunctionServer:
            return stack.enter_context(served(name, services, environment))

        yield start


def open_slow(server: FunctionServer, beginning: bytes, stack: ExitStack) -> list[socket.socket]:
    """Return many connections on which only the beginning of a request has been sent."""
    connections = [stack.enter_context(server.open()) for _ in range(SLOW_CLIENTS)]
    for connection in connections:
        connection.sendall(beginning)
    return connections


@pytest.mark.parametrize(
    "beginning",
    [
        b"P",
        b"POST / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n{",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n{",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX-Trailer: ",
    ],
    ids=["the first byte", "half a head", "half a small body", "half a chunk", "half a trailer"],
)
def test_slow_requests_do_not_occupy_threads(serve: Serve, beginning: bytes) -> None:
    server = serve("login")
    with ExitStack() as stack:
        connections = open_slow(server, beginning, stack)
        with server.connect("POST /", {"Content-Length": "2"}, b"{}") as prompt:
            assert read_response(prompt)[0] == 401
        assert not any(has_response(connection) for connection in connections), (
            "the slow requests must still be pending"
        )


def test_a_slow_request_is_answered_408_and_counted(serve: Serve) -> None:
    server = serve("login")
    with server.open() as connection:
        connection.sendall(b"P")
        status, headers, body = read_response(connection)
        assert (status, headers["connection"]) == (408, "close")
        assert json.loads(body)["code"] == "request_timeout"
        assert connection.recv(1) == b""
    wait_for(lambda: '"slow request": ' in server.log.read_text(), "the log counts them")


def test_a_large_body_that_arrives_too_slowly_is_rejected(serve: Serve, services: Services) -> None:
    server = serve("upload")
    with server.connect("POST /", {**bearer(services), "Content-Length": "5000000"}, bytes(100)) as upload:
        upload.settimeout(60)
        status, _, body = read_response(upload)
        assert (status, json.loads(body)["code"]) == (408, "request_timeout")
        assert upload.recv(1) == b""


def test_an_upload_that_takes_too_long_is_rejected_however_fast_it_is(serve: Serve, services: Services) -> None:
    server = serve("upload", UPLOAD_SECONDS="1")
    with server.connect("POST /", {**bearer(services), "Content-Length": "900000000"}, MP4) as upload:
        wait_for(lambda: send_until_response(upload, bytes(100_000)), "the request is answered", seconds=60)
        status, headers, body = read_response(upload)
    assert (status, headers["connection"], json.loads(body)["code"]) == (408, "close", "request_timeout")


def test_a_chunked_body_beyond_the_limit_is_rejected_before_its_end(serve: Serve) -> None:
    server = serve("login")
    body = b"100000\r\n" + bytes(SMALL_BODY_BYTES + 1)
    with server.connect("POST /", {"Transfer-Encoding": "chunked"}, body) as connection:
        connection.settimeout(DEADLINE_SECONDS)
        status, headers, body = read_response(connection)
        assert (status, headers["connection"]) == (413, "close")
        assert json.loads(body)["code"] == "request_entity_too_large"


def test_an_endless_chunked_body_is_rejected(serve: Serve) -> None:
    server = serve("login")
    with server.connect("POST /", {"Transfer-Encoding": "chunked"}) as connection:
        block = b"1;a=" + b"a" * 1100 + b"\r\nx\r\n"  # fast enough, but with hardly any content
        wait_for(lambda: send_until_response(connection, block), "the request is answered", seconds=60)
        status, _, body = read_response(connection)
    assert (status, json.loads(body)["code"]) == (408, "request_timeout")


def test_rejected_uploads_that_never_end_do_not_delay_others(serve: Serve) -> None:
    server = serve("upload", THREADS=str(SLOW_CLIENTS))
    beginning = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n" + bytes(1000)
    with ExitStack() as stack:
        connections = open_slow(server, beginning, stack)
        assert [read_response(connection)[0] for connection in connections] == [401] * SLOW_CLIENTS
        with server.connect("GET /_/health") as prompt:
            prompt.settimeout(DEADLINE_SECONDS)
            assert read_response(prompt)[0] == 200


def test_an_endless_head_is_rejected(serve: Serve) -> None:
    server = serve("validate")
    with server.connect("GET /", {f"X-{number}": "a" * 8000 for number in range(20)}) as connection:
        status, _, body = read_response(connection)
    assert (status, json.loads(body)["title"]) == (431, "Request Header Fields Too Large")


def test_a_request_may_arrive_byte_by_byte(serve: Serve) -> None:
    server = serve("login")
    with server.open() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}":
            connection.sendall(bytes([byte]))
        assert read_response(connection)[0] == 401


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    server = serve("login")
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
    with server.open() as connection:
        connection.sendall(request + request + request[:20])
        assert [read_response(connection)[0] for _ in range(2)] == [401, 401]
        connection.sendall(request[20:])
        assert read_response(connection)[0] == 401


def test_the_number_of_connections_from_an_address_is_limited(serve: Serve) -> None:
    server = serve("validate", CONNECTIONS_PER_ADDRESS="3")
    with ExitStack() as stack:
        connections = [stack.enter_context(server.open(OTHER_ADDRESS)) for _ in range(3)]
        with server.open(OTHER_ADDRESS) as one_more:
            status, headers, body = read_response(one_more)
            assert (status, json.loads(body)["code"]) == (429, "too_many_requests")
            assert int(headers["retry-after"]) > 0
        assert server.answers(), "another address must be served"
        connections[0].close()
        wait_for(lambda: can_connect(server), "the address may connect again")


def test_a_rejected_connection_is_closed_immediately(serve: Serve) -> None:
    server = serve("validate", CONNECTIONS_PER_ADDRESS="1")
    with server.open(OTHER_ADDRESS), server.open(OTHER_ADDRESS) as refused:
        assert read_response(refused)[0] == 429
        wait_for(lambda: is_reset(refused), "the connection is closed in both directions", seconds=1.5)
    wait_for(lambda: "too many connections from one address" in server.log.read_text(), "the log counts the connection")


def test_all_addresses_can_be_configured_as_trusted_proxies(serve: Serve) -> None:
    server = serve("validate", CONNECTIONS_PER_ADDRESS="1", TRUSTED_PROXIES="*")
    with server.open(OTHER_ADDRESS):
        assert can_connect(server)


def test_connections_of_a_proxy_on_this_machine_are_not_limited(serve: Serve) -> None:
    server = serve("validate", CONNECTIONS_PER_ADDRESS="3")
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(server.open())
        assert server.answers()


def can_connect(server: FunctionServer) -> bool:
    with server.open(OTHER_ADDRESS) as connection:
        connection.sendall(b"GET /_/health HTTP/1.1\r\nHost: a\r\n\r\n")
        return read_response(connection)[0] == 200


def send_until_response(connection: socket.socket, block: bytes) -> bool:
    """Wait up to a second for a response, and return whether there is one; if not, send a block."""
    if not select.select([connection], [], [], 1)[0]:
        connection.sendall(block)
        return False
    return True
