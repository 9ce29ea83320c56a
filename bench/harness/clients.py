"""HTTP clients with little overhead, so that the server dominates the measurement."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 120
BUFFER = 2**20
BOUNDARY = "------------------------d74496d66958873eKz3Qx9"  # in curl's format
FORM_HEAD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="video.mkv"\r\n\r\n'.encode()
FORM_END = f"\r\n--{BOUNDARY}--\r\n".encode()


def send_raw(url: str, file: Path, headers: Mapping[str, str]) -> bytes:
    """Send a file as a request body and return the response body."""
    return _send(url, file, headers, b"", b"")


def send_form(url: str, file: Path, headers: Mapping[str, str]) -> bytes:
    """Send a file as a form with one field and return the response body."""
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return _send(url, file, {**headers, **kind}, FORM_HEAD, FORM_END)


def _send(url: str, file: Path, headers: Mapping[str, str], before: bytes, after: bytes) -> bytes:
    connection = _connect(url)
    connection.putrequest("POST", url.removeprefix(f"http://{connection.host}:{connection.port}") or "/")
    length = len(before) + file.stat().st_size + len(after)
    for name, value in {**headers, "Content-Length": str(length)}.items():
        connection.putheader(name, value)
    connection.endheaders(before)
    with file.open("rb") as content:
        connection.sock.sendfile(content)
    connection.send(after)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    assert answer.status == 202, data
    return data


def receive(url: str, path: str, headers: Mapping[str, str]) -> int:
    """Read a response to its end and return its length in bytes."""
    connection = _connect(url)
    connection.request("GET", path, headers=dict(headers))
    answer = connection.getresponse()
    assert answer.status == 200
    buffer = memoryview(bytearray(BUFFER))
    length = sum(iter(lambda: answer.readinto(buffer), 0))
    connection.close()
    return length


def requests_per_second(url: str, headers: Mapping[str, str], *, connections: int, requests: int) -> float:
    """Return the responses per second over several connections; each sends its next request after a response."""
    lines = ["GET / HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    request = "\r\n".join([*lines, "", ""]).encode()
    sockets = [connected(url) for _ in range(connections)]
    began = time.perf_counter()
    for each in sockets:
        each.sendall(request)
    for _ in range(requests // connections - 1):
        for each in sockets:
            _read_answer(each)
            each.sendall(request)
    _read_all(sockets)
    return requests / (time.perf_counter() - began)


def connected(url: str) -> socket.socket:
    """Return a new connection to the server of a URL."""
    return socket.create_connection(_address(url), TIMEOUT_SECONDS)


def _read_all(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        _read_answer(each)
        each.close()


def _read_answer(connection: socket.socket) -> None:
    received = connection.recv(65536)
    assert received.startswith(b"HTTP/1.1 200 "), received
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(None, 1)[0])
    while len(body) < length:
        body += connection.recv(65536)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 80)


def _connect(url: str) -> HTTPConnection:
    connection = HTTPConnection(*_address(url), timeout=TIMEOUT_SECONDS)
    connection.connect()
    return connection
