"""A download is whole or an error, and leaves no file that looks whole."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from soundlift.client import ApiError, Client, ConnectionFailed

MP3 = b"ID3" + bytes(1000)
LENGTH = f"Content-Length: {len(MP3)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNK = f"{len(MP3):x}\r\n".encode() + MP3
WHOLE = {"with its length": (LENGTH, MP3), "in chunks": (CHUNKED, CHUNK + b"\r\n0\r\n\r\n")}
CUT_OFF = {
    "at the first byte": (LENGTH, b""),
    "half way": (LENGTH, MP3[: len(MP3) // 2]),
    "before the last byte": (LENGTH, MP3[:-1]),
    "in a chunk": (CHUNKED, CHUNK[: len(CHUNK) // 2]),
    "before the last chunk": (CHUNKED, CHUNK + b"\r\n"),
}


class Server(HTTPServer):
    """Server that gives one answer, a header and a body, and closes the connection."""

    answer = (LENGTH, MP3)
    status = "200 OK"

    @property
    def client(self) -> Client:
        return Client(f"http://127.0.0.1:{self.server_port}", token="any")


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        header, body = self.server.answer
        self.wfile.write(f"HTTP/1.1 {self.server.status}\r\n{header}\r\nConnection: close\r\n\r\n".encode() + body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE)
def test_a_whole_download_replaces_what_was_there(server: Server, tmp_path: Path, answer: tuple[str, bytes]) -> None:
    server.answer = answer
    (tmp_path / "a.mp3").write_bytes(b"another")
    told: list[tuple[int, int | None]] = []
    path = server.client.download("a job", tmp_path / "a.mp3", lambda done, total: told.append((done, total)))
    assert path.read_bytes() == MP3
    assert list(tmp_path.iterdir()) == [path]
    assert told[-1] == (len(MP3), len(MP3) if answer[0] == LENGTH else None)


@pytest.mark.parametrize("answer", CUT_OFF.values(), ids=CUT_OFF)
def test_a_download_that_ends_early_is_an_error_and_leaves_what_was_there(
    server: Server, tmp_path: Path, answer: tuple[str, bytes]
) -> None:
    server.answer = answer
    with pytest.raises(ConnectionFailed):
        server.client.download("a job", tmp_path / "a.mp3")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.mp3").write_bytes(b"another")
    with pytest.raises(ConnectionFailed):
        server.client.download("a job", tmp_path / "a.mp3")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.mp3": b"another"}


def test_a_refused_download_makes_no_file(server: Server, tmp_path: Path) -> None:
    server.status, server.answer = "404 Not Found", ("Content-Length: 2", b"{}")
    with pytest.raises(ApiError):
        server.client.download("a job", tmp_path / "a.mp3")
    assert list(tmp_path.iterdir()) == []
