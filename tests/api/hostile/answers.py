"""What every server must keep to, whatever it receives: complete answers, and problem documents for errors."""

from __future__ import annotations

import json

END_OF_HEAD = b"\r\n\r\n"


def check_answers(received: bytes, *, is_head: bool = False) -> list[int]:
    """Return the statuses of all answers on a connection.

    Raises AssertionError for a server error, for an error that is no problem document, and for anything after an
    answer that announces to close the connection.
    """
    statuses = []
    rest = received
    is_closed = False
    while rest:
        assert not is_closed, f"after the last answer: {rest[:200]!r}"
        head, separator, rest = rest.partition(END_OF_HEAD)
        assert separator, f"an incomplete head: {head[:200]!r}"
        line, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        assert line.startswith(("HTTP/1.1 ", "HTTP/1.0 ")), line
        status = int(line.split()[1])
        if status == 100:
            continue
        body, rest = _split_body(fields, rest, has_body=not is_head and status not in (204, 304))
        statuses.append(status)
        is_closed = fields.get("connection") == "close"
        _check(status, fields, body, is_head=is_head)
    return statuses


def _split_body(fields: dict[str, str], rest: bytes, *, has_body: bool) -> tuple[bytes, bytes]:
    if not has_body:
        return b"", rest
    if fields.get("transfer-encoding") == "chunked":
        body, end, rest = rest.partition(b"0\r\n\r\n")
        assert end, "an incomplete body"
        return body, rest
    size = int(fields["content-length"])
    assert len(rest) >= size, "an incomplete body"
    return rest[:size], rest[size:]


def _check(status: int, fields: dict[str, str], body: bytes, *, is_head: bool) -> None:
    assert status < 500 or status == 501, f"{status}: {body!r}"
    if status >= 400:
        assert fields["content-type"] == "application/problem+json", f"{status} {fields}: {body[:200]!r}"
        if not is_head:
            problem = json.loads(body)
            assert (problem["status"], set(problem)) == (status, {"title", "status", "detail", "code"}), problem
