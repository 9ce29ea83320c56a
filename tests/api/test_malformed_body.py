"""Malformed and incomplete bodies: the response is 400, nothing is stored, and the connection is closed."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from soundlift.common.audio.formats import SIGNATURE_BYTES
from soundlift.common.services import Services
from tests.api.function_server import FunctionServer, served
from tests.api.hostile.documents import BINARY_EVENT
from tests.api.hostile.request import FUNCTIONS
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4

pytestmark = pytest.mark.servers

METHODS = {"jobs": "GET", "download": "GET"}
VIDEO = MP4 + bytes(2 * SIGNATURE_BYTES)
SMALL = b"{" + b" " * 2000
NEXT = b"GET /_/health HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = {"Transfer-Encoding": "chunked"}
# Each of these follows a valid chunk.
MALFORMED = {
    "a size that is not a number": b"xyz\r\nabc\r\n",
    "a negative size": b"-1\r\n\r\n",
    "a size in another notation": b"0x5\r\nabcde\r\n0\r\n\r\n",
    "no size": b"\r\n\r\n",
    "no line break after a chunk": b"3\r\nabcdef\r\n0\r\n\r\n",
    "a malformed extension": b"3;=\r\nabc\r\n0\r\n\r\n",
    "an endless size": b"0" * 20_000,
    "a malformed trailer": b"0\r\nno trailer\r\n\r\n",
}


def build_chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def content_for(server: FunctionServer) -> bytes:
    return VIDEO if server.function == "upload" else SMALL


def truncated_bodies(content: bytes) -> dict[str, tuple[dict[str, str], bytes]]:
    """Return headers and bodies that end too early, by where they end."""
    chunk = build_chunk(content)
    form = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n' + content + b"\r\n--x--\r\n"
    return {
        "in a chunk": (CHUNKED, chunk + b"100\r\nabc"),
        "in a size": (CHUNKED, chunk + b"10"),
        "between chunks": (CHUNKED, chunk),
        "in the trailer": (CHUNKED, chunk + b"0\r\n"),
        "before its length": ({"Content-Length": str(len(content) + 1)}, content),
        "before it began": ({"Content-Length": "5"}, b""),
        "in a form": (
            {"Content-Length": str(len(form) + 1), "Content-Type": "multipart/form-data; boundary=x"},
            form,
        ),
    }


@pytest.fixture(params=FUNCTIONS)
def server(services: Services, request: pytest.FixtureRequest) -> Iterator[FunctionServer]:
    with served(request.param, services) as server:
        yield server


def test_a_malformed_chunked_body_is_rejected_and_closes_the_connection(
    server: FunctionServer, services: Services
) -> None:
    for case, body in MALFORMED.items():
        with server.open() as connection:
            connection.sendall(_head(server, services, CHUNKED) + build_chunk(content_for(server)) + body + NEXT)
            _assert_one_rejection(_read_all(connection), case)
    _assert_nothing_stored(services)
    assert server.answers()


def test_a_truncated_body_is_rejected(server: FunctionServer, services: Services) -> None:
    for case, (headers, body) in truncated_bodies(content_for(server)).items():
        with server.open() as connection:
            connection.sendall(_head(server, services, headers) + body)
            connection.shutdown(socket.SHUT_WR)
            _assert_one_rejection(_read_all(connection), case)
    _assert_nothing_stored(services)
    assert server.answers()


def _head(server: FunctionServer, services: Services, headers: dict[str, str]) -> bytes:
    # A JSON body of upload is the address of a video.
    media_type = {"Content-Type": "video/mp4"} if server.function == "upload" else {}
    all_headers = {"Host": "a", **BINARY_EVENT, **bearer(services), **media_type, **headers}
    lines = [
        f"{METHODS.get(server.function, 'POST')} / HTTP/1.1",
        *(f"{name}: {value}" for name, value in all_headers.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def _read_all(connection: socket.socket) -> bytes:
    """Return everything received until the server closes the connection."""
    return b"".join(iter(lambda: connection.recv(2**16), b""))


def _assert_one_rejection(responses: bytes, case: str) -> None:
    assert responses.startswith(b"HTTP/1.1 400 "), f"{case}: {responses[:100]!r}"
    assert b"content-type: application/problem+json" in responses.lower(), case
    assert responses.count(b"HTTP/1.1 ") == 1, case


def _assert_nothing_stored(services: Services) -> None:
    assert services.jobs.page(None) == []
    media = services.settings.soundlift_data / "media"
    assert [file for file in media.rglob("*") if file.is_file()] == []
