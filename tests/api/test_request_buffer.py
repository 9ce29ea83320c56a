"""A request's beginning is gathered until a thread can read it without waiting, however small the pieces are."""

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
def test_a_request_is_complete_with_its_head_and_its_small_body_and_not_before(head: bytes, body: int) -> None:
    head += b"\r\n"
    whole = head + b"\n" * body
    for first in range(len(head)):
        for second in (first + 1, len(whole) - 1):
            request = RequestBuffer(whole[:first])
            assert (request.is_complete, request.has_begun) == (False, first > 0)
            request.add(whole[first:second])
            assert request.is_complete == (second == len(whole))
            request.add(whole[second:])
            assert request.is_complete
            assert (request.received, request.is_too_large) == (whole, False)


@pytest.mark.parametrize("malformed", [b"\n", b"GET / HTTP/1.1\n", LINE + b"X: a\n", LINE + b"\n"])
def test_a_line_feed_alone_needs_nothing_more_to_be_refused(malformed: bytes) -> None:
    for first in range(len(malformed)):
        request = RequestBuffer(malformed[:first])
        assert not request.is_complete
        request.add(malformed[first:])
        assert request.is_complete


def test_a_head_may_have_only_so_many_bytes() -> None:
    request = RequestBuffer()
    request.add(LINE.ljust(MAX_HEAD_BYTES, b"a"))
    assert not request.is_too_large
    request.add(b"a")
    assert request.is_too_large
    request.add(b"\r\n\r\n")
    assert (request.is_too_large, request.is_complete) == (False, True)
