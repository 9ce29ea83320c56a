"""The worker receives requests without a thread, refuses what is too slow or too much, and closes with care."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from devservers.waiting import wait_for
from soundlift.common.web.connection import SEND_SECONDS
from soundlift.common.web.drop_counter import DropCounter
from soundlift.common.web.request_buffer import MAX_HEAD_BYTES, SMALL_BODY_BYTES
from soundlift.common.web.worker import LINGER_BYTES
from tests.api.function_server import has_answer, is_reset, read_problem, read_response
from tests.api.worker_loop import CLIENT, PROXY, SECONDS, WorkerLoop

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = 64 * 2**20
REQUEST_SECONDS, LINGER_SECONDS, IDLE_SECONDS_AT_STOP = 200.0, 200.0, 50.0  # so many that no slow machine adds to them
Serve = Callable[..., WorkerLoop]


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer the body of a request, if the path does not say otherwise."""
    path = environ["PATH_INFO"]
    if path == "/broken":
        raise RuntimeError("a bug")
    body = b"" if path == "/unread" else bytes(LARGE) if path == "/large" else environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Return a function that runs a worker, by whose clock the worker's modules go."""
    with capture_logs() as logs, ExitStack() as stack:

        def start(**settings: Any) -> WorkerLoop:
            loop = WorkerLoop(echo, logs, **settings)
            for name in ("worker", "connection", "drop_counter"):
                monkeypatch.setattr(f"soundlift.common.web.{name}.time", loop)
            for name in ("REQUEST_SECONDS", "LINGER_SECONDS", "IDLE_SECONDS_AT_STOP"):
                monkeypatch.setattr(f"soundlift.common.web.worker.{name}", globals()[name])
            return stack.enter_context(loop.running())

        yield start


@pytest.fixture
def loop(serve: Serve) -> WorkerLoop:
    return serve()


def is_closed(connection: socket.socket) -> bool:
    """Return whether the server closes its side of a connection, with nothing more said."""
    with suppress(ConnectionResetError):
        return connection.recv(1) == b""
    return True


def test_a_request_is_answered_however_it_comes_and_its_connection_is_used_again(loop: WorkerLoop) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
    with loop.connect() as connection:
        for cut in (len(request), 10, len(request) - 1):
            connection.sendall(request[:cut])
            loop.turn()
            connection.sendall(request[cut:])
            assert read_response(connection)[::2] == (200, b"body")
        connection.sendall(request + request + request[:30])
        assert [read_response(connection)[2] for _ in range(2)] == [b"body"] * 2
        connection.sendall(request[30:])
        assert read_response(connection)[2] == b"body"
        assert (loop.connections, loop.arriving) == (1, 0)
    loop.until(connections=0, arriving=0)


def test_a_client_that_goes_before_its_request_has_come_is_forgotten(loop: WorkerLoop) -> None:
    for sent in (b"", b"GET / HTT"):
        loop.connect(sent).close()
        loop.until(connections=0, arriving=0)


@pytest.mark.parametrize("sent", [b"P", GET[:-1], b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbod"])
def test_a_request_that_is_not_there_in_time_is_answered_408(loop: WorkerLoop, sent: bytes) -> None:
    with loop.connect(sent) as late:
        loop.pass_time(REQUEST_SECONDS / 2)
        with loop.connect(sent) as later:
            loop.pass_time(REQUEST_SECONDS / 2 + 1)
            status, headers, body = read_response(late)
            assert (status, headers["connection"], json.loads(body)["code"]) == (408, "close", "request_timeout")
            assert is_closed(late)
            assert not has_answer(later)
            loop.turn()
            assert loop.connections == 2, "one lingers, so that its answer is not cut off"
    loop.until(connections=0, arriving=0)
    assert loop.dropped() == {"slow request": 1}


def test_a_connection_on_which_nothing_comes_is_closed_without_a_word(loop: WorkerLoop) -> None:
    with loop.connect() as idle, loop.connect(b"G"):
        loop.pass_time(REQUEST_SECONDS / 2)
        assert not has_answer(idle)
        loop.pass_time(REQUEST_SECONDS / 2)
        assert is_closed(idle)
    assert loop.dropped() == {"slow request": 1}


def test_the_time_for_a_request_begins_anew_with_each(loop: WorkerLoop) -> None:
    with loop.connect() as connection:
        for _ in range(3):
            connection.sendall(GET[:5])
            loop.until(arriving=1, received=5)
            loop.pass_time(REQUEST_SECONDS / 2)
            connection.sendall(GET[5:])
            assert read_response(connection)[0] == 200


def test_a_head_without_end_is_refused(loop: WorkerLoop) -> None:
    with loop.open(b"GET / HTTP/1.1\r\nX: ".ljust(MAX_HEAD_BYTES + 1, b"a")) as connection:
        status, _, body = read_response(connection)
        assert (status, json.loads(body)["code"]) == (431, "request_header_fields_too_large")
        assert is_closed(connection)
    loop.until(connections=0, arriving=0)


@pytest.mark.parametrize(
    ("sent", "status", "event"),
    [
        (b"NONSENSE\r\n\r\n", 400, "unreadable request"),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400, "unreadable request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: rot13\r\n\r\n", 501, "unreadable request"),
        (b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n", 500, "request failed"),
    ],
)
def test_what_cannot_be_answered_is_refused_and_logged(loop: WorkerLoop, sent: bytes, status: int, event: str) -> None:
    with loop.open(sent) as connection:
        assert read_problem(connection)["status"] == status
        assert is_closed(connection)
    (line,) = loop.logged(event)
    if status == 500:
        assert isinstance(line["exc_info"], RuntimeError)
    else:
        assert (line["status"], line["address"]) == (status, CLIENT)


def test_an_error_for_a_client_that_has_gone_is_logged_all_the_same(loop: WorkerLoop) -> None:
    with socket.socket() as gone:
        loop.worker.handle_error(None, gone, (CLIENT, 1), RuntimeError("a bug"))
    assert len(loop.logged("request failed")) == 1


@pytest.mark.parametrize(
    ("sent", "missing"), [(SMALL_BODY_BYTES, 0), (SMALL_BODY_BYTES + 1, 0), (SMALL_BODY_BYTES + 1, 1)]
)
def test_a_connection_is_used_again_after_a_body_that_nobody_read_if_all_of_it_is_there(
    loop: WorkerLoop, sent: int, missing: int
) -> None:
    request = b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % sent
    with loop.open(request + bytes(sent - missing)) as connection:
        assert read_response(connection)[0] == 200
        if missing:
            assert is_closed(connection)
        else:
            connection.sendall(GET)
            assert read_response(connection)[0] == 200
    loop.until(connections=0)


def test_a_malformed_body_that_nobody_read_ends_the_connection(loop: WorkerLoop) -> None:
    with loop.open(b"POST /unread HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n") as connection:
        assert read_response(connection)[0] == 200
        assert is_closed(connection)


def test_a_client_that_takes_nothing_of_its_answer_is_dropped(
    loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SEND_SECONDS > 60
    monkeypatch.setattr("soundlift.common.web.connection.SEND_SECONDS", 0.1)
    with loop.open(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"):
        assert loop.dropped() == {"timeout while sending the response": 1}
    loop.until(connections=0)


def test_a_body_that_hardly_comes_is_refused_and_counted(loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundlift.common.web.minimum_rate.PERIOD_SECONDS", 0.1)
    with loop.open(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nslow") as connection:
        assert read_response(connection)[0] == 408
        assert is_closed(connection)
    assert loop.dropped() == {"slow body": 1}


def test_an_address_has_only_so_many_connections_unless_it_is_a_proxy_s(loop: WorkerLoop) -> None:
    loop.worker.connections_per_address = 2
    with ExitStack() as stack:
        first, _ = (stack.enter_context(loop.connect()) for _ in range(2))
        with loop.open() as refused:
            status, headers, body = read_response(refused)
            assert (status, json.loads(body)["code"]) == (429, "too_many_requests")
            assert int(headers["retry-after"]) > 0
            assert is_closed(refused)
            loop.turn()
            assert (loop.connections, loop.arriving) == (2, 2), "it does not linger"
        for _ in range(4):
            stack.enter_context(loop.connect(source=PROXY))
        stack.enter_context(loop.connect(source="127.0.0.3"))
        first.close()
        loop.until(connections=6)
        stack.enter_context(loop.connect())
    loop.until(connections=0)
    assert loop.dropped() == {"too many connections from one address": 1}


@pytest.mark.parametrize(("most", "settings"), [(0, {}), (1, {"forwarded_allow_ips": "*"})])
def test_no_address_is_counted_where_the_operator_says_so(serve: Serve, most: int, settings: dict[str, str]) -> None:
    loop = serve(**settings)
    loop.worker.connections_per_address = most
    with loop.connect(), loop.connect(), loop.connect():
        assert loop.connections == 3


def test_a_connection_lingers_after_a_refusal_until_its_client_closes_it(loop: WorkerLoop) -> None:
    with loop.open(b"NONSENSE\r\n\r\n") as connection:
        assert read_response(connection)[0] == 400
        assert is_closed(connection)
        for _ in range(3):
            connection.sendall(bytes(1000))
        loop.pass_time(LINGER_SECONDS / 2)
        assert loop.connections == 1
    loop.until(connections=0)


def test_a_connection_lingers_for_so_many_seconds_and_no_longer(loop: WorkerLoop) -> None:
    with loop.open(b"NONSENSE\r\n\r\n") as first:
        assert is_closed_after_refusal(loop, first)
        loop.pass_time(LINGER_SECONDS / 2)
        with loop.open(b"NONSENSE\r\n\r\n") as second:
            assert is_closed_after_refusal(loop, second)
            assert loop.connections == 2
            loop.pass_time(LINGER_SECONDS / 2)
            assert loop.connections == 1
            wait_for(lambda: is_reset(first), "it is closed in both directions", seconds=SECONDS)
            loop.pass_time(LINGER_SECONDS / 2)
            assert loop.connections == 0


def test_a_connection_lingers_for_so_many_bytes_and_no_more(loop: WorkerLoop) -> None:
    with loop.open(b"NONSENSE\r\n\r\n") as connection:
        assert is_closed_after_refusal(loop, connection)
        connection.sendall(bytes(LINGER_BYTES - 1))
        loop.turn()
        assert loop.connections == 1
        connection.sendall(b"a")
        loop.until(connections=0)


def test_a_listener_with_no_one_or_no_room_for_one_takes_nobody_in(loop: WorkerLoop) -> None:
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


def test_a_worker_that_is_full_takes_in_the_next_when_one_has_gone(serve: Serve) -> None:
    loop = serve(worker_connections=3)
    with loop.connect(), loop.connect(), loop.connect() as last, loop.open(GET) as waiting:
        loop.turn()
        assert not has_answer(waiting)
        last.close()
        loop.turn()
        assert read_response(waiting)[0] == 200


def test_a_stop_takes_in_who_has_connected_and_lets_nobody_wait(serve: Serve) -> None:
    loop = serve(keepalive=0)
    with loop.connect() as idle, loop.connect(GET[:5]) as begun:
        loop.stop()
        wait_for(lambda: not loop.worker.sockets, "the listeners are closed", seconds=SECONDS)
        loop.turn()
        with pytest.raises(ConnectionRefusedError):
            loop.open()
        loop.pass_time(IDLE_SECONDS_AT_STOP / 2)
        assert not has_answer(idle)
        loop.pass_time(IDLE_SECONDS_AT_STOP / 2)
        assert is_closed(idle)
        assert not has_answer(begun)
        begun.sendall(GET[5:])
        assert read_response(begun)[0] == 200


def test_dropped_clients_are_logged_once_a_second_with_all_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("soundlift.common.web.drop_counter.time", SimpleNamespace(monotonic=lambda: now))
    clients = DropCounter()
    with capture_logs() as logs:
        for reason, seconds in (("slow", 0), ("slow", 0.5), ("large", 0.6), (None, 5), ("slow", 5)):
            now += seconds
            if reason:
                clients.add(reason)
            clients.log()
    assert [line["since_start"] for line in logs] == [{"slow": 1}, {"slow": 2, "large": 1}, {"slow": 3, "large": 1}]
    assert {line["log_level"] for line in logs} == {"warning"}


def is_closed_after_refusal(loop: WorkerLoop, connection: socket.socket) -> bool:
    """Return whether a request is refused, and then nothing more said, when the worker has done its part of it."""
    refused = read_response(connection)[0] == 400 and is_closed(connection)
    loop.turn()
    return refused
