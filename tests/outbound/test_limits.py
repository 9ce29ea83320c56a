"""Whatever a server sends, and however slowly, a request ends within its limits and says why."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterable, Iterator
from itertools import repeat
from threading import Event

import pytest

from devservers.waiting import DEADLINE_SECONDS
from soundlift.common.outbound.client import OutboundClient
from soundlift.common.outbound.errors import (
    BadResponse,
    ConnectionFailed,
    OutboundError,
    ResponseTimeout,
    ResponseTooLarge,
)
from soundlift.common.outbound.limits import OutboundLimits
from soundlift.common.outbound.request import OutboundRequest
from tests.outbound.servers import LOOPBACK, Answer, RawServer, client, dripped, redirect, response

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
QUICK = OutboundLimits(connect_seconds=0.5, head_seconds=0.5, idle_seconds=0.5, total_seconds=1.0, max_bytes=10_000)
PATIENT = OutboundLimits(max_bytes=QUICK.max_bytes)
TOLERANCE = 10.0  # seconds, on a machine that is busy; without limits, no response would end before 20


def drip(data: bytes) -> Answer:
    return lambda _: dripped(data, seconds=0.05)


def after(beginning: bytes, rest: Iterable[bytes]) -> Answer:
    def answer(_: str) -> Iterator[bytes]:
        yield beginning
        yield from rest

    return answer


def silence() -> Iterator[bytes]:
    """Yield nothing in any time that a test waits, but end when the server stops."""
    while True:
        time.sleep(0.05)
        yield b""


ENDLESS = {
    "header": (after(HEAD, repeat(b"A: " + b"b" * 1000 + b"\r\n")), BadResponse),
    "long-header": (after(HEAD + b"A: ", repeat(b"b" * 1000)), BadResponse),
    "status": (after(b"HTTP/1.1 200 ", repeat(b"O" * 1000)), BadResponse),
    "continue": (after(b"", repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)), BadResponse),
    "body": (after(HEAD + b"\r\n", repeat(b"b" * 1000)), ResponseTooLarge),
    "chunks": (after(CHUNKED, repeat(b"3e8\r\n" + b"b" * 1000 + b"\r\n")), ResponseTooLarge),
    "slow-status": (drip(b"HTTP/1.1 200 " + b"O" * 1000), ResponseTimeout),
    "slow-header": (drip(HEAD + b"A: b\r\n" * 1000), ResponseTimeout),
    "slow-body": (after(HEAD + b"\r\n", dripped(b"b" * 1000, seconds=0.05)), ResponseTimeout),
    "slow-chunk-size": (after(CHUNKED, dripped(b"0" * 1000, seconds=0.05)), ResponseTimeout),
    "slow-trailers": (after(CHUNKED + b"0\r\n", dripped(b"A: b\r\n" * 1000, seconds=0.05)), ResponseTimeout),
    "trailers": (after(CHUNKED + b"0\r\n", repeat(b"A: b\r\n" * 100)), ResponseTimeout),
    "silence": (after(b"", silence()), ResponseTimeout),
    "silent-body": (after(HEAD + b"\r\n", silence()), ResponseTimeout),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_response_ends_within_its_limits(name: str) -> None:
    answer, expected = ENDLESS[name]
    limits = QUICK if expected is ResponseTimeout else PATIENT
    began = time.monotonic()
    with RawServer(answer).running() as server, pytest.raises(expected):
        read(server.url, limits)
    assert time.monotonic() - began < QUICK.total_seconds + TOLERANCE


def test_a_body_slower_than_the_least_rate_ends_long_before_the_total_time() -> None:
    limits = OutboundLimits(grace_seconds=0.3, least_rate=1000, total_seconds=60, idle_seconds=60)
    body = after(HEAD + b"\r\n", dripped(b"b" * 1000, seconds=0.02))
    began = time.monotonic()
    with RawServer(body).running() as server, pytest.raises(ResponseTimeout, match="less than 1000 bytes"):
        read(server.url, limits)
    assert time.monotonic() - began < 0.3 + TOLERANCE


def test_a_name_server_that_never_answers_ends_the_request_in_time() -> None:
    stopped = Event()
    slow = OutboundClient(LOOPBACK, resolver=lambda _: [str(stopped.wait(DEADLINE_SECONDS))])
    with (
        pytest.raises(ResponseTimeout, match="could not be resolved in time"),
        slow.open(OutboundRequest(url="http://slow.example/", limits=QUICK)),
    ):
        pass


def test_compressed_responses_are_refused_before_their_body_is_read() -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    for header in ("Content-Encoding: gzip", "Content-Encoding: br, identity", "Transfer-Encoding: gzip, chunked"):
        with RawServer(response(bomb, header)).running() as server, pytest.raises(BadResponse):
            read(server.url, OutboundLimits())
        assert "Accept-Encoding: identity\r\n" in server.heads[0]


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00" * 100, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
        *(CHUNKED + b"5\r\nabc", CHUNKED + b"xyz\r\nabc", CHUNKED + b"3\r\nabc", b"HTTP/1.1 999999 OK\r\n\r\n"),
        *(HEAD + b"Content-Length: -5\r\n\r\nabcde", HEAD + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde"),
        *(HEAD + b"Content-Length: 99999999999999999999\r\n\r\n", HEAD + b"Content-Length: 1_0\r\n\r\nabcdeabcde"),
    ],
)
def test_a_response_that_is_cut_off_or_no_http_is_an_error(answer: bytes) -> None:
    with RawServer(answer).running() as server, pytest.raises(OutboundError) as failed:
        read(server.url, QUICK)
    assert "SSH" not in failed.value.detail


def test_a_length_that_is_too_large_is_refused_before_the_body_is_read() -> None:
    with (
        RawServer(HEAD + b"Content-Length: 10001\r\n\r\n").running() as server,
        pytest.raises(ResponseTooLarge, match="10001 bytes"),
    ):
        read(server.url, QUICK)


def test_bytes_beyond_the_announced_length_are_not_read() -> None:
    with RawServer(HEAD + b"Content-Length: 5\r\n\r\nabcdefgh").running() as server:
        assert read(server.url, QUICK) == b"abcde"


def test_a_whole_body_is_read_in_each_framing() -> None:
    body = bytes(range(256)) * 30
    framed = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:10], body[10:])) + b"0\r\nT: x\r\n\r\n"
    for answer in (response(body), HEAD + b"\r\n" + body, CHUNKED + framed, b"HTTP/1.0 200 OK\r\n\r\n" + body):
        with RawServer(answer).running() as server:
            assert read(server.url, QUICK) == body


def test_a_redirect_loop_ends_after_five_redirects() -> None:
    with RawServer(redirect("/again")).running() as server, pytest.raises(BadResponse, match="more than 5 times"):
        read(server.url, OutboundLimits())
    assert len(server.heads) == 6


def test_a_body_of_the_request_is_sent_completely() -> None:
    with RawServer(response()).running() as server:
        request = OutboundRequest(url=f"{server.url}/hook?a=b", method="POST", body=b'{"a": 1}')
        with client().open(request) as found:
            assert found.status == 200
        assert server.heads[0].startswith("POST /hook?a=b HTTP/1.1\r\n")
        assert "Content-Length: 8\r\n" in server.heads[0]


@pytest.mark.parametrize("error", [ConnectionFailed, ResponseTimeout])
def test_only_what_another_attempt_may_change_is_transient(error: type[OutboundError]) -> None:
    assert error.is_transient
    assert not BadResponse.is_transient
    assert not ResponseTooLarge.is_transient


def read(url: str, limits: OutboundLimits) -> bytes:
    with client().open(OutboundRequest(url=url, limits=limits, follow_redirects=True)) as found:
        return found.read_all()
