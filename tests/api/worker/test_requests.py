"""The worker: how requests are received, answered and rejected."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, suppress

import pytest

from devservers.waiting import wait_for
from soundlift.common.web.request import MAX_UNREAD_BYTES
from soundlift.common.web.request_buffer import MAX_HEAD_BYTES, SMALL_BODY_BYTES
from tests.api.function_server import has_response, is_reset, read_problem, read_response
from tests.api.worker.conftest import LARGE
from tests.api.worker.worker_loop import (
    CLIENT,
    GET,
    HEAD_SECONDS,
    SMALL_BODY_SECONDS,
    THREADS,
    WorkerLoop,
    is_closed,
)


def test_a_request_may_arrive_in_pieces_and_its_connection_is_reused(loop: WorkerLoop) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
    with loop.connect() as connection:
        for split_at in (len(request), 10, len(request) - 1):
            connection.sendall(request[:split_at])
            loop.wait_for_iteration()
            connection.sendall(request[split_at:])
            assert read_response(connection)[::2] == (200, b"body")
        connection.sendall(request + request + request[:30])
        assert [read_response(connection)[2] for _ in range(2)] == [b"body"] * 2
        connection.sendall(request[30:])
        assert read_response(connection)[2] == b"body"
        assert (loop.connections, loop.arriving) == (1, 0)
    loop.wait_until(connections=0, arriving=0)


def test_a_client_that_disconnects_before_its_request_is_complete_is_removed(loop: WorkerLoop) -> None:
    for sent in (b"", b"GET / HTT"):
        loop.connect(sent).close()
        loop.wait_until(connections=0, arriving=0)


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (b"P", HEAD_SECONDS),
        (GET[:-1], HEAD_SECONDS),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbod", SMALL_BODY_SECONDS),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbod", SMALL_BODY_SECONDS),
    ],
)
def test_a_request_that_does_not_arrive_in_time_is_answered_408(loop: WorkerLoop, sent: bytes, seconds: float) -> None:
    with loop.connect(sent) as late:
        loop.advance(seconds / 2)
        with loop.connect(sent) as later:
            loop.advance(seconds / 2 + 1)
            status, headers, body = read_response(late)
            assert (status, headers["connection"], json.loads(body)["code"]) == (408, "close", "request_timeout")
            assert is_closed(late)
            assert not has_response(later)
            loop.wait_for_iteration()
            assert loop.connections == 2, "the first lingers, so that its response is not cut off"
    loop.wait_until(connections=0, arriving=0)
    assert loop.dropped() == {"slow request": 1}


def test_an_idle_connection_is_closed_without_a_response(loop: WorkerLoop) -> None:
    with loop.connect() as idle, loop.connect(b"G"):
        loop.advance(HEAD_SECONDS / 2)
        assert not has_response(idle)
        loop.advance(HEAD_SECONDS / 2)
        assert is_closed(idle)
    assert loop.dropped() == {"slow request": 1}


def test_each_request_on_a_connection_has_its_own_deadline(loop: WorkerLoop) -> None:
    with loop.connect() as connection:
        for _ in range(3):
            connection.sendall(GET[:5])
            loop.wait_until(arriving=1, received=5)
            loop.advance(HEAD_SECONDS / 2)
            connection.sendall(GET[5:])
            assert read_response(connection)[0] == 200


def test_an_endless_head_is_rejected(loop: WorkerLoop) -> None:
    with loop.open(b"GET / HTTP/1.1\r\nX: ".ljust(MAX_HEAD_BYTES + 1, b"a")) as connection:
        status, _, body = read_response(connection)
        assert (status, json.loads(body)["code"]) == (431, "request_header_fields_too_large")
        assert is_closed(connection)
    loop.wait_until(connections=0, arriving=0)


@pytest.mark.parametrize(
    ("sent", "status", "event"),
    [
        (b"NONSENSE\r\n\r\n", 400, "unreadable request"),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400, "unreadable request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: rot13\r\n\r\n", 501, "unreadable request"),
        (b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n", 500, "request failed"),
    ],
)
def test_a_request_that_cannot_be_handled_is_rejected_and_logged(
    loop: WorkerLoop, sent: bytes, status: int, event: str
) -> None:
    with loop.open(sent) as connection:
        assert read_problem(connection)["status"] == status
        assert is_closed(connection)
    (line,) = loop.lines(event)
    if status == 500:
        assert isinstance(line["exc_info"], RuntimeError)
    else:
        assert (line["status"], line["address"]) == (status, CLIENT)


def test_an_error_is_logged_even_if_its_client_has_disconnected(loop: WorkerLoop) -> None:
    with socket.socket() as gone:
        loop.worker.handle_error(None, gone, (CLIENT, 1), RuntimeError("a bug"))
    assert len(loop.lines("request failed")) == 1


@pytest.mark.parametrize(
    ("sent", "missing"), [(SMALL_BODY_BYTES, 0), (SMALL_BODY_BYTES + 1, 0), (SMALL_BODY_BYTES + 1, 1)]
)
def test_a_connection_is_reused_after_an_unread_body_if_it_has_arrived(
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
    loop.wait_until(connections=0)


def test_an_unread_chunked_body_closes_the_connection(loop: WorkerLoop) -> None:
    chunk = b"%x\r\n" % (SMALL_BODY_BYTES + 1) + bytes(SMALL_BODY_BYTES + 1) + b"\r\n"
    head = b"POST /unread HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with loop.open(head + chunk + b"0\r\n\r\n" + GET) as connection:
        status, headers, _ = read_response(connection)
        assert (status, headers["connection"]) == (200, "close")
        assert is_closed(connection)


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 2\r\nExpect: 100-continue\r\n", b"Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n"],
)
def test_a_client_that_waits_for_permission_to_send_a_small_body_occupies_no_thread(
    loop: WorkerLoop, body: bytes
) -> None:
    with loop.open(b"POST / HTTP/1.1\r\nHost: a\r\n" + body + b"\r\n") as connection:
        assert read_response(connection)[0] == 100
        loop.wait_until(arriving=1)
        connection.sendall(b"2\r\nab\r\n0\r\n\r\n" if b"chunked" in body else b"ab")
        assert read_response(connection)[::2] == (200, b"ab")


BODY = bytes(MAX_UNREAD_BYTES + 1)
EXPECTING = b"Host: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY)


def test_a_client_that_waits_for_permission_gets_it_when_its_body_is_read(loop: WorkerLoop) -> None:
    with loop.open(b"POST / HTTP/1.1\r\n" + EXPECTING) as connection:
        assert read_response(connection)[0] == 100
        connection.sendall(BODY)
        assert read_response(connection)[0] == 200


def test_a_client_that_waits_for_permission_to_send_a_body_that_is_not_read_gets_the_response_instead(
    loop: WorkerLoop,
) -> None:
    with loop.open(b"POST /unread HTTP/1.1\r\n" + EXPECTING) as connection:
        status, headers, _ = read_response(connection)
        assert (status, headers["connection"]) == (200, "close")
        assert is_closed(connection)


@pytest.mark.parametrize("length", [b"", b"Content-Length: 0\r\n"])
def test_a_request_without_a_body_gets_no_permission_to_send_one(loop: WorkerLoop, length: bytes) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n" + length + b"\r\n"
    with loop.open(request + GET) as connection:
        answers = [read_response(connection) for _ in range(2)]
    assert [(status, headers["connection"]) for status, headers, _ in answers] == [(200, "keep-alive")] * 2


def test_a_client_that_does_not_read_its_response_is_dropped(loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundlift.common.web.client_socket.PERIOD_SECONDS", 0.1)
    with loop.open(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n") as connection:
        assert loop.dropped() == {"slow reader": 1}
        wait_for(lambda: is_reset(connection), "what was not sent is discarded")
    loop.wait_until(connections=0)


def test_a_client_that_reads_a_little_of_its_response_is_dropped(
    loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundlift.common.web.client_socket.PERIOD_SECONDS", 0.2)
    monkeypatch.setattr("soundlift.common.web.minimum_rate.MIN_BYTES_PER_SECOND", LARGE)
    with loop.open(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n") as connection:
        wait_for(lambda: not receive(connection, 20_000), "it is dropped")
    assert loop.dropped() == {"slow reader": 1}


def test_a_client_that_reads_no_response_gets_no_thread_for_its_next_request(loop: WorkerLoop) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000\r\n\r\n" + bytes(8000)
    with ExitStack() as stack:
        for _ in range(2 * THREADS):
            stack.enter_context(loop.open(request * 100))
        loop.wait_until(arriving=2 * THREADS)
        with loop.open(GET) as other:
            assert read_response(other)[0] == 200
        loop.advance(SMALL_BODY_SECONDS + 1)
        assert loop.arriving == 0


def test_a_body_that_arrives_too_slowly_is_rejected_and_counted(
    loop: WorkerLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundlift.common.web.minimum_rate.PERIOD_SECONDS", 0.1)
    with loop.open(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nslow") as connection:
        assert read_response(connection)[0] == 408
        assert is_closed(connection)
    assert loop.dropped() == {"slow body": 1}


def receive(connection: socket.socket, size: int) -> bytes:
    """Return what arrives next, or nothing at the end of the connection."""
    with suppress(ConnectionResetError):
        return connection.recv(size)
    return b""
