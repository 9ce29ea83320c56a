"""The worker: limits of connections, lingering close, and shutdown."""

from __future__ import annotations

import errno
import json
import socket
from contextlib import ExitStack

import pytest

from devservers.waiting import wait_for
from soundlift.common.web.lingering_close import LINGER_BYTES
from tests.api.function_server import has_response, is_reset, read_response
from tests.api.worker.worker_loop import (
    GET,
    IDLE_SECONDS_AT_STOP,
    LINGER_SECONDS,
    PROXY,
    Serve,
    WorkerLoop,
    is_closed,
)


def test_the_connections_of_an_address_are_limited_unless_it_is_a_proxy(loop: WorkerLoop) -> None:
    loop.worker.connections_per_address = 2
    with ExitStack() as stack:
        first, _ = (stack.enter_context(loop.connect()) for _ in range(2))
        with loop.open() as rejected:
            status, headers, body = read_response(rejected)
            assert (status, json.loads(body)["code"]) == (429, "too_many_requests")
            assert int(headers["retry-after"]) > 0
            assert is_closed(rejected)
            loop.wait_for_iteration()
            assert (loop.connections, loop.arriving) == (2, 2), "the rejected connection does not linger"
        for _ in range(4):
            stack.enter_context(loop.connect(source=PROXY))
        stack.enter_context(loop.connect(source="127.0.0.3"))
        first.close()
        loop.wait_until(connections=6)
        stack.enter_context(loop.connect())
    loop.wait_until(connections=0)
    assert loop.dropped() == {"too many connections from one address": 1}


def test_a_proxy_is_recognized_by_a_listener_for_both_versions_of_ip(loop: WorkerLoop) -> None:
    loop.worker.connections_per_address = 1
    with ExitStack() as stack:

        class Listener:
            def accept(self) -> tuple[socket.socket, tuple[str, int, int, int]]:
                accepted, client = socket.socketpair()
                stack.enter_context(client)
                return accepted, (f"::ffff:{PROXY}", 1, 0, 0)

            def getsockname(self) -> tuple[str, int, int, int]:
                return ("::", 8080, 0, 0)

        for _ in range(3):
            loop.worker.method_queue.defer(loop.worker.accept, Listener())
        loop.wait_until(connections=3, arriving=3)


@pytest.mark.parametrize(("limit", "settings"), [(0, {}), (1, {"forwarded_allow_ips": "*"})])
def test_the_limit_of_connections_can_be_disabled(serve: Serve, limit: int, settings: dict[str, str]) -> None:
    loop = serve(**settings)
    loop.worker.connections_per_address = limit
    with loop.connect(), loop.connect(), loop.connect():
        assert loop.connections == 3


def test_a_connection_lingers_after_a_rejection_until_its_client_closes_it(loop: WorkerLoop) -> None:
    with loop.open(b"NONSENSE\r\n\r\n") as connection:
        assert read_response(connection)[0] == 400
        assert is_closed(connection)
        for _ in range(3):
            connection.sendall(bytes(1000))
        loop.advance(LINGER_SECONDS / 2)
        assert loop.connections == 1
    loop.wait_until(connections=0)


def test_a_connection_lingers_for_a_limited_time(loop: WorkerLoop) -> None:
    with loop.open(b"NONSENSE\r\n\r\n") as first:
        assert is_rejected_and_closed(loop, first)
        loop.advance(LINGER_SECONDS / 2)
        with loop.open(b"NONSENSE\r\n\r\n") as second:
            assert is_rejected_and_closed(loop, second)
            assert loop.connections == 2
            loop.advance(LINGER_SECONDS / 2)
            assert loop.connections == 1
            wait_for(lambda: is_reset(first), "the connection is closed in both directions")
            loop.advance(LINGER_SECONDS / 2)
            assert loop.connections == 0


def test_a_connection_lingers_for_a_limited_number_of_bytes(loop: WorkerLoop) -> None:
    with loop.open(b"NONSENSE\r\n\r\n") as connection:
        assert is_rejected_and_closed(loop, connection)
        connection.sendall(bytes(LINGER_BYTES - 1))
        loop.wait_for_iteration()
        assert loop.connections == 1
        connection.sendall(b"a")
        loop.wait_until(connections=0)


def test_a_failed_accept_is_tolerated_if_its_cause_is_temporary(loop: WorkerLoop) -> None:
    class Listener:
        def __init__(self, number: int) -> None:
            self.number = number

        def accept(self) -> None:
            raise OSError(self.number, "no")

    for number in (errno.EAGAIN, errno.ECONNABORTED, errno.EMFILE, errno.ENFILE):
        assert not loop.worker.accept(Listener(number))
    with pytest.raises(OSError, match="no"):
        loop.worker.accept(Listener(errno.EBADF))
    assert loop.connections == 0
    assert loop.dropped() == {"no room for another connection": 2}


def test_a_worker_at_its_connection_limit_closes_the_connection_that_has_waited_for_longest(serve: Serve) -> None:
    loop = serve(worker_connections=4)
    with ExitStack() as stack:
        kept = stack.enter_context(loop.open(GET))
        assert read_response(kept)[0] == 200
        first, second = (stack.enter_context(loop.connect(GET[:5])) for _ in range(2))
        loop.wait_for_iteration()
        for oldest in (first, second):
            newest = stack.enter_context(loop.open())
            assert is_closed(oldest)
        newest.sendall(GET)
        assert read_response(newest)[0] == 200
        assert not has_response(kept)
    loop.wait_until(connections=0)
    assert loop.dropped() == {"too many connections": 2}


def test_a_worker_at_its_connection_limit_ends_a_lingering_connection_first(serve: Serve) -> None:
    loop = serve(worker_connections=3)
    with loop.connect(GET[:5]) as waiting, loop.open(b"NONSENSE\r\n\r\n") as lingering:
        assert is_rejected_and_closed(loop, lingering)
        with loop.connect() as other:
            wait_for(lambda: is_reset(lingering), "the lingering connection is closed")
            assert not has_response(waiting)
            assert not has_response(other)


def test_a_worker_at_its_connection_limit_closes_an_idle_connection_last(serve: Serve) -> None:
    loop = serve(worker_connections=2, threads=1)
    with loop.open(GET) as idle:
        assert read_response(idle)[0] == 200
        loop.wait_for_iteration()
        with loop.open(GET) as other:
            assert read_response(other)[0] == 200
            assert is_closed(idle)


def test_a_stopping_worker_serves_open_connections_and_accepts_no_others(serve: Serve) -> None:
    loop = serve(keepalive=0)
    with loop.connect() as idle, loop.connect(GET[:5]) as partial:
        loop.stop()
        wait_for(lambda: not loop.worker.sockets, "the listeners are closed")
        loop.wait_for_iteration()
        with pytest.raises(ConnectionRefusedError):
            loop.open()
        loop.advance(IDLE_SECONDS_AT_STOP / 2)
        assert not has_response(idle)
        loop.advance(IDLE_SECONDS_AT_STOP / 2)
        assert is_closed(idle)
        assert not has_response(partial)
        partial.sendall(GET[5:])
        assert read_response(partial)[0] == 200


def is_rejected_and_closed(loop: WorkerLoop, connection: socket.socket) -> bool:
    """Return whether a request is rejected and the server then closes its side of the connection."""
    rejected = read_response(connection)[0] == 400 and is_closed(connection)
    loop.wait_for_iteration()
    return rejected
