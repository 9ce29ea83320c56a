"""The buffer of a request: it is complete as soon as a thread can read it without waiting."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from soundlift.common.web.request_buffer import MAX_CHUNKED_BYTES, MAX_HEAD_BYTES, SMALL_BODY_BYTES, RequestBuffer

LINE = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = LINE + b"Transfer-Encoding: chunked\r\n\r\n"
EXPECT = b"Expect: 100-continue\r\n"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (LINE, 0),
        (LINE + b"Content-Length: 2\r\n", 2),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nHost: a\r\n", 2),
        (LINE + b"CONTENT-length:\t 2 \t\r\n", 2),
        (LINE + b"Content-Length:12\r\n", 12),
        (LINE + b"Content-Length: %d\r\n" % SMALL_BODY_BYTES, SMALL_BODY_BYTES),
        (LINE + b"Content-Length: %d\r\n" % (SMALL_BODY_BYTES + 1), 0),
        (LINE + b"Content-Length: %d\r\n" % 10**9, 0),
        (LINE + b"Content-Length: many\r\n", 0),
        (LINE + b"X-Content-Length: 2\r\n", 0),
        (LINE + b"Content-Length: 2\r\nExpect: a miracle\r\n", 0),
        (b"POST / HTTP/1.0\r\nContent-Length: 2\r\n" + EXPECT, 2),
        (b"\r\n" + LINE, 0),
        (b"\r\n" + LINE + b"Content-Length: 2\r\n", 2),
    ],
)
def test_a_request_is_complete_once_its_head_and_small_body_have_arrived(head: bytes, body: int) -> None:
    head += b"\r\n"
    request_bytes = head + b"\n" * body
    for first in range(len(head)):
        for second in (first + 1, len(request_bytes) - 1):
            request = RequestBuffer(request_bytes[:first])
            assert (request.is_complete, request.has_begun) == (False, first > 0)
            request.add(request_bytes[first:second])
            assert request.is_complete == (second == len(request_bytes))
            request.add(request_bytes[second:])
            assert request.is_complete
            assert (request.received, request.rejection, request.must_continue) == (request_bytes, None, False)


@pytest.mark.parametrize(
    "body",
    [
        b"0\r\n\r\n",
        b"3\r\na\nb\r\n0\r\n\r\n",
        b"3;x=y\r\nabc\r\n2 ; z\r\nde\r\n000\r\nX-Trailer: a\r\nY:\r\n\r\n",
        b"A\r\n0123\r\n\r\n89\r\n0\r\n\r\n",
    ],
)
def test_a_small_chunked_body_is_complete_after_its_last_trailer(body: bytes) -> None:
    for first in range(len(body)):
        request = RequestBuffer(CHUNKED + body[:first])
        assert not request.is_complete
        request.add(body[first:-1])
        assert not request.is_complete
        request.add(body[-1:])
        assert (request.is_complete, request.rejection) == (True, None)
        assert request.received == CHUNKED + body


def test_a_large_chunked_body_is_complete_when_more_than_a_small_body_has_arrived() -> None:
    chunk = b"1000\r\n" + bytes(0x1000) + b"\r\n"
    request = RequestBuffer(CHUNKED + chunk * (SMALL_BODY_BYTES // 0x1000) + b"5\r\n")
    assert not request.is_complete
    request.add(b"a")
    assert request.is_complete


@pytest.mark.parametrize(
    "head",
    [
        LINE + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        LINE + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        LINE + b"Transfer-Encoding: gzip\r\n\r\n",
        LINE + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
        LINE + b"X-Transfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_contradictory_head_is_left_to_the_parser(head: bytes) -> None:
    assert RequestBuffer(head).is_complete


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (b"Content-Length: 2\r\n" + EXPECT, b"ab"),
        (EXPECT.lower() + b"Content-Length: 2\r\n", b"ab"),
        (b"Transfer-Encoding: chunked\r\n" + EXPECT + EXPECT, b"2\r\nab\r\n0\r\n\r\n"),
    ],
)
def test_the_expectation_of_a_small_body_is_met_before_a_thread_has_the_request(fields: bytes, body: bytes) -> None:
    request = RequestBuffer(LINE + fields + b"\r\n")
    assert (request.must_continue, request.is_complete) == (True, False)
    request.add(body)
    assert request.is_complete
    assert b"xpect" not in request.received
    assert request.received.endswith(b"\r\n\r\n" + body)


def test_the_expectation_of_a_large_body_is_left_to_the_parser() -> None:
    head = LINE + b"Content-Length: 99999\r\n" + EXPECT + b"\r\n"
    request = RequestBuffer(head)
    assert (request.is_complete, request.must_continue, request.received) == (True, False, head)


@pytest.mark.parametrize(
    "malformed",
    [b"\n", b"GET / HTTP/1.1\n", LINE + b"X: a\n", LINE + b"\n", b"\x16", b"\0", b"\xff", b" ", b"\r\n\r", b"\rG"],
)
def test_bytes_that_are_not_http_are_rejected_at_once(malformed: bytes) -> None:
    for first in range(len(malformed)):
        request = RequestBuffer(malformed[:first])
        assert request.rejection is None
        request.add(malformed[first:])
        assert (request.rejection, request.is_complete) == (HTTPStatus.BAD_REQUEST, False)


@pytest.mark.parametrize(
    "malformed",
    [
        b"xyz\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x5\r\n",
        b"1_0\r\n",
        b"\r\n",
        b" 1\r\n",
        b"3\r\nabcd\r\n",
        b"3\r\nabc\n\r",
        b"3\n\r\n",
        b"3;a\nb\r\n",
        b"0\r\nno trailer\r\n",
        b"0\r\n: a\r\n",
        b"0\r\na b: c\r\n",
        b"1" + b"0" * 16 + b"\r\n",
        b"0" * 9000,
        b"1;" + b"a" * 9000,
        b"0\r\nX: " + b"a" * 9000,
        b"1;aaaaaaaaa\r\nx\r\n" * (MAX_CHUNKED_BYTES // 15 + 1),
    ],
)
def test_malformed_chunks_are_rejected(malformed: bytes) -> None:
    for beginning in (b"", b"5\r\nabcde\r\n"):
        request = RequestBuffer(CHUNKED + beginning)
        request.add(malformed)
        assert (request.rejection, request.is_complete) == (HTTPStatus.BAD_REQUEST, False)


def test_the_size_of_a_head_is_limited() -> None:
    request = RequestBuffer()
    request.add(LINE.ljust(MAX_HEAD_BYTES, b"a"))
    assert request.rejection is None
    request.add(b"a")
    assert request.rejection is HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    request.add(b"\r\n\r\n")
    assert (request.rejection, request.is_complete) == (None, True)
