"""The buffer of a request: it is complete as soon as a thread can read it without waiting."""

from __future__ import annotations

import pytest

from soundlift.common.web.request_buffer import MAX_HEAD_BYTES, SMALL_BODY_BYTES, RequestBuffer

LINE = b"POST / HTTP/1.1\r\nHost: a\r\n"


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
        (LINE + b"Transfer-Encoding: chunked\r\n", 0),
        (LINE + b"Content-Length: 2\r\nExpect: 100-continue\r\n", 0),
        (LINE + b"expect: 100-continue\r\nContent-Length: 2\r\n", 0),
        (b"\r\n" + LINE, 0),
        (b"\r\n\r\n", 0),
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
            assert (request.received, request.is_too_large) == (request_bytes, False)


@pytest.mark.parametrize("malformed", [b"\n", b"GET / HTTP/1.1\n", LINE + b"X: a\n", LINE + b"\n"])
def test_a_line_feed_without_carriage_return_completes_a_request(malformed: bytes) -> None:
    for first in range(len(malformed)):
        request = RequestBuffer(malformed[:first])
        assert not request.is_complete
        request.add(malformed[first:])
        assert request.is_complete


def test_the_size_of_a_head_is_limited() -> None:
    request = RequestBuffer()
    request.add(LINE.ljust(MAX_HEAD_BYTES, b"a"))
    assert not request.is_too_large
    request.add(b"a")
    assert request.is_too_large
    request.add(b"\r\n\r\n")
    assert (request.is_too_large, request.is_complete) == (False, True)
