"""A body that is malformed or cut off is a client's error: 400, nothing stored, and the connection is closed."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from soundlift.common.formats import BYTES_TO_TELL
from soundlift.common.services import Services
from tests.api.function_server import FunctionServer, served
from tests.api.hostile.documents import BINARY_EVENT
from tests.api.hostile.request import FUNCTIONS
from tests.parts import MP4, bearer

METHODS = {"jobs": "GET", "download": "GET"}
VIDEO = MP4 + bytes(2 * BYTES_TO_TELL)
CHUNK = f"{len(VIDEO):x}\r\n".encode() + VIDEO + b"\r\n"
FORM = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n' + VIDEO + b"\r\n--x--\r\n"
NEXT = b"GET /_/health HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = {"Transfer-Encoding": "chunked"}
MALFORMED = {
    "a size that is no number": CHUNK + b"xyz\r\nabc\r\n",
    "a negative size": CHUNK + b"-1\r\n\r\n",
    "a size in another notation": b"0x5\r\nabcde\r\n0\r\n\r\n",
    "no size": CHUNK + b"\r\n\r\n",
    "no line break after a chunk": CHUNK + b"3\r\nabcdef\r\n0\r\n\r\n",
    "a malformed extension": CHUNK + b"3;=\r\nabc\r\n0\r\n\r\n",
    "an endless size": CHUNK + b"0" * 20_000,
    "a malformed trailer": CHUNK + b"0\r\nno trailer\r\n\r\n",
}
CUT_OFF = {
    "in a chunk": (CHUNKED, CHUNK + b"100\r\nabc"),
    "in a size": (CHUNKED, CHUNK + b"10"),
    "between chunks": (CHUNKED, CHUNK),
    "in the trailer": (CHUNKED, CHUNK + b"0\r\n"),
    "before its length": ({"Content-Length": str(len(VIDEO) + 1)}, VIDEO),
    "before it began": ({"Content-Length": "5"}, b""),
    "in a form": (
        {"Content-Length": str(len(FORM) + 1), "Content-Type": "multipart/form-data; boundary=x"},
        FORM,
    ),
}


@pytest.fixture(params=FUNCTIONS)
def server(services: Services, request: pytest.FixtureRequest) -> Iterator[FunctionServer]:
    with served(request.param, services) as server:
        yield server


def test_a_malformed_chunked_body_is_refused_and_ends_the_connection(
    server: FunctionServer, services: Services
) -> None:
    for what, body in MALFORMED.items():
        with server.open() as connection:
            connection.sendall(_head(server, services, CHUNKED) + body + NEXT)
            _assert_one_refusal(_answers(connection), what)
    _assert_nothing_stored(services)
    assert server.answers()


def test_a_body_cut_off_is_refused(server: FunctionServer, services: Services) -> None:
    for what, (headers, body) in CUT_OFF.items():
        with server.open() as connection:
            connection.sendall(_head(server, services, headers) + body)
            connection.shutdown(socket.SHUT_WR)
            _assert_one_refusal(_answers(connection), what)
    _assert_nothing_stored(services)
    assert server.answers()


def _head(server: FunctionServer, services: Services, headers: dict[str, str]) -> bytes:
    everything = {"Host": "a", **BINARY_EVENT, **bearer(services), **headers}
    lines = [
        f"{METHODS.get(server.function, 'POST')} / HTTP/1.1",
        *(f"{name}: {value}" for name, value in everything.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def _answers(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes the connection."""
    return b"".join(iter(lambda: connection.recv(2**16), b""))


def _assert_one_refusal(answers: bytes, what: str) -> None:
    assert answers.startswith(b"HTTP/1.1 400 "), f"{what}: {answers[:100]!r}"
    assert b"content-type: application/problem+json" in answers.lower(), what
    assert answers.count(b"HTTP/1.1 ") == 1, what


def _assert_nothing_stored(services: Services) -> None:
    assert services.jobs.page(None) == []
    media = services.settings.soundlift_data / "media"
    assert [file for file in media.rglob("*") if file.is_file()] == []
