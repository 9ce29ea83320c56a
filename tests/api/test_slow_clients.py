"""Clients that send or read next to nothing: a function answers all others meanwhile."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from devservers.waiting import wait_for
from soundlift.common.services import Services
from tests.api.function_server import FunctionServer, has_response, is_reset, read_response, served
from tests.factories.accounts import bearer

pytestmark = pytest.mark.servers

MANY = 60  # more than a function has threads
ELSEWHERE = "127.0.0.2"
DEADLINE_SECONDS = 5

Serve = Callable[..., FunctionServer]


@pytest.fixture
def serve(services: Services) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(name: str, **environment: str) -> FunctionServer:
            return stack.enter_context(served(name, services, environment))

        yield start


def slow(server: FunctionServer, sent: bytes, stack: ExitStack) -> list[socket.socket]:
    """Return many connections that have sent the beginning of a request, and leave it at that."""
    connections = [stack.enter_context(server.open()) for _ in range(MANY)]
    for connection in connections:
        connection.sendall(sent)
    return connections


@pytest.mark.parametrize(
    "beginning",
    [
        b"P",
        b"POST / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n{",
    ],
    ids=["the first byte", "half a head", "half a small body"],
)
def test_slow_requests_take_no_thread(serve: Serve, beginning: bytes) -> None:
    server = serve("login")
    with ExitStack() as stack:
        connections = slow(server, beginning, stack)
        with server.connect("POST /", {"Content-Length": "2"}, b"{}") as prompt:
            assert read_response(prompt)[0] == 401
        assert not any(has_response(connection) for connection in connections), "it waited for the slow ones"
        status, headers, body = read_response(connections[0])
        assert (status, headers["connection"]) == (408, "close")
        assert json.loads(body)["code"] == "request_timeout"
        assert connections[0].recv(1) == b""
    wait_for(lambda: '"slow request": ' in server.log.read_text(), "the log counts them")


def test_a_large_body_that_hardly_arrives_is_given_up(serve: Serve, services: Services) -> None:
    server = serve("upload")
    with server.connect("POST /", {**bearer(services), "Content-Length": "5000000"}, bytes(100)) as upload:
        upload.settimeout(60)
        status, _, body = read_response(upload)
        assert (status, json.loads(body)["code"]) == (408, "request_timeout")
        assert upload.recv(1) == b""


def test_a_chunked_body_that_never_ends_is_given_up(serve: Serve) -> None:
    server = serve("login")
    with server.connect("POST /", {"Transfer-Encoding": "chunked"}) as connection:
        block = b"1;a=" + b"a" * 1100 + b"\r\nx\r\n"  # hardly any body, and enough bytes a second
        wait_for(lambda: has_answer_after(connection, block), "it is answered", seconds=60)
        status, _, body = read_response(connection)
    assert (status, json.loads(body)["code"]) == (408, "request_timeout")


def test_refused_uploads_that_never_end_keep_nobody_waiting(serve: Serve) -> None:
    server = serve("upload")
    beginning = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n" + bytes(1000)
    with ExitStack() as stack:
        connections = slow(server, beginning, stack)
        assert [read_response(connection)[0] for connection in connections] == [401] * MANY
        with server.connect("GET /_/health") as prompt:
            prompt.settimeout(DEADLINE_SECONDS)
            assert read_response(prompt)[0] == 200


def test_a_head_without_end_is_refused(serve: Serve) -> None:
    server = serve("validate")
    with server.connect("GET /", {f"X-{number}": "a" * 8000 for number in range(20)}) as connection:
        status, _, body = read_response(connection)
    assert (status, json.loads(body)["title"]) == (431, "Request Header Fields Too Large")


def test_a_request_may_come_byte_by_byte(serve: Serve) -> None:
    server = serve("login")
    with server.open() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}":
            connection.sendall(bytes([byte]))
        assert read_response(connection)[0] == 401


def test_two_requests_sent_at_once_are_answered_one_after_the_other(serve: Serve) -> None:
    server = serve("login")
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
    with server.open() as connection:
        connection.sendall(request + request + request[:20])
        assert [read_response(connection)[0] for _ in range(2)] == [401, 401]
        connection.sendall(request[20:])
        assert read_response(connection)[0] == 401


def test_an_address_has_only_so_many_connections(serve: Serve) -> None:
    server = serve("validate", CONNECTIONS_PER_ADDRESS="3")
    with ExitStack() as stack:
        connections = [stack.enter_context(server.open(ELSEWHERE)) for _ in range(3)]
        with server.open(ELSEWHERE) as one_more:
            status, headers, body = read_response(one_more)
            assert (status, json.loads(body)["code"]) == (429, "too_many_requests")
            assert int(headers["retry-after"]) > 0
        assert server.answers(), "another address is served"
        connections[0].close()
        wait_for(lambda: is_let_in(server), "the address may connect again")


def test_a_refused_connection_is_closed_at_once_and_takes_no_room(serve: Serve) -> None:
    server = serve("validate", CONNECTIONS_PER_ADDRESS="1")
    with server.open(ELSEWHERE), server.open(ELSEWHERE) as refused:
        assert read_response(refused)[0] == 429
        wait_for(lambda: is_reset(refused), "it is closed in both directions", seconds=1.5)
    wait_for(lambda: "too many connections from one address" in server.log.read_text(), "the log counts it")


def test_any_address_may_be_a_proxy_where_the_operator_says_so(serve: Serve) -> None:
    server = serve("validate", CONNECTIONS_PER_ADDRESS="1", FORWARDED_ALLOW_IPS="*")
    with server.open(ELSEWHERE):
        assert is_let_in(server)


def test_a_proxy_on_this_machine_may_connect_as_often_as_it_wants(serve: Serve) -> None:
    server = serve("validate", CONNECTIONS_PER_ADDRESS="3")
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(server.open())
        assert server.answers()


def is_let_in(server: FunctionServer) -> bool:
    with server.open(ELSEWHERE) as connection:
        connection.sendall(b"GET /_/health HTTP/1.1\r\nHost: a\r\n\r\n")
        return read_response(connection)[0] == 200


def has_answer_after(connection: socket.socket, block: bytes) -> bool:
    """Send a block, about one a second, unless there is an answer, and return whether there is one."""
    if not select.select([connection], [], [], 1)[0]:
        connection.sendall(block)
        return False
    return True
