"""A file that changes during its upload is sent with its original size, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from devservers.waiting import DEADLINE_SECONDS
from soundlift.client import ApiError, Client, FileChanged
from soundlift.client.transfers import BLOCK
from soundlift.common.services import Services
from tests.client.servers import Deployment

SIZE = BLOCK + 1000


class Server(HTTPServer):
    """Server that reads a whole body, refuses it, and records the body and any bytes after it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Refusal)
        self.body = self.excess = b""
        self.ended = Event()


class Refusal(BaseHTTPRequestHandler):
    server: Server
    timeout = DEADLINE_SECONDS  # in case a client sends less than it announced, or does not close

    def do_POST(self) -> None:
        self.server.body = self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        self.server.excess = self.rfile.read()
        self.server.ended.set()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _upload(client: Client, file: Path, new_size: int) -> None:
    """Upload a file whose size changes once its first block has been sent."""
    file.write_bytes(bytes(SIZE))
    client.upload(file, on_progress=lambda done, total: os.truncate(file, new_size))


def test_bytes_appended_during_an_upload_are_not_sent(server: Server, tmp_path: Path) -> None:
    client = Client(f"http://127.0.0.1:{server.server_port}", token="any")
    with pytest.raises(ApiError):
        _upload(client, tmp_path / "a.mp4", 3 * BLOCK)
    assert server.ended.wait(DEADLINE_SECONDS)
    assert (len(server.body), server.excess) == (SIZE, b"")


def test_a_file_that_shrinks_during_its_upload_is_an_error_and_makes_no_job(services: Services, tmp_path: Path) -> None:
    token = services.tokens.sign_in("ada@example.org", admin=False)
    with Deployment(services).running() as deployment, pytest.raises(FileChanged) as failure:
        _upload(Client(deployment.url, token=token), tmp_path / "a.mp4", BLOCK)
    assert failure.value.detail == f"The file became shorter while it was being sent: {BLOCK} of {SIZE} bytes."
    assert services.jobs.page(None) == []
