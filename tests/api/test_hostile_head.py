"""Hostile request heads over real HTTP: no bytes in them cause a server error."""

from __future__ import annotations

from base64 import b64encode

import pytest

from soundlift.common.services import Services
from tests.api.function_server import served
from tests.api.hostile.request import FUNCTIONS, MANY_DIGITS
from tests.factories.accounts import bearer

pytestmark = pytest.mark.servers

METHODS = {"jobs": b"GET", "download": b"GET"}
DIGITS = MANY_DIGITS.encode()
TARGETS = [
    b"/?wait=" + DIGITS,
    b"/?limit=" + DIGITS,
    b"/?after=\xff\xfe&fid=\x80&job=%ED%A0%80&bitrate=%00",
    b"/\xff\xfe%ED%A0%80%00",
    b"/?%",
    b"/?" + b"&" * 4000,
    b"//../..;a=b?#",
    b"*",
    b"http://[::1/",
]
FIELDS = [
    b"Authorization: Basic \xe9\xff",
    b"Authorization: Basic " + b64encode(b"\xff\xfe:\x80"),
    b"Authorization: Basic " + b64encode(b"a\xed\xa0\x80:b"),
    b"Authorization: Bearer \xe9.\xff.\x80",
    b"Authorization: \xff",
    b"Content-Length: " + DIGITS,
    b"Content-Length: x",
    b"Content-Length: -1",
    b"Content-Length: 1\r\nContent-Length: 2",
    b"Content-Length: 1\r\nTransfer-Encoding: chunked",
    b"Content-Type: multipart/form-data; boundary=\xff\xfe",
    b"Content-Type: \xff; charset=\xfe",
    b"Cookie: \xff=\xfe; =; ;;",
    b"Range: bytes=" + DIGITS + b"-",
    b"If-Range: \xff",
    b"X-Filename: \xff\xfe%ED%A0%80",
    b"Host: \xff",
    b"Name without a colon",
    b": no name",
    b"NUL: a\0b",
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_hostile_request_head_is_never_a_server_error(services: Services, name: str) -> None:
    method = METHODS.get(name, b"POST")
    token = f"Authorization: {bearer(services)['Authorization']}\r\n".encode()
    heads = [target + b" HTTP/1.1\r\nHost: a\r\n" + token for target in TARGETS]
    heads += [b"/ HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n" for field in FIELDS]
    heads += [b"/ HTTP/1.1\r\nHost: a\r\n" + token + field + b"\r\n" for field in FIELDS]
    with served(name, services) as server:
        for head in heads:
            with server.open() as connection:
                connection.sendall(method + b" " + head + b"Connection: close\r\n\r\n")
                answer = connection.recv(2**16)
            assert answer[:10] in (b"HTTP/1.1 2", b"HTTP/1.1 4"), (head, answer)
        assert server.answers()
