"""A refusal that arrives before the whole body has been sent is read, and connection failures are one sentence."""

from __future__ import annotations

import errno
import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import urllib3

from devservers.ports import free_port
from soundlift.client import ApiError, Client, ConnectionFailed
from soundlift.common.auth.tokens import Tokens
from soundlift.common.db.migrations import migrate

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

SECRET = "a secret of this test, 32 bytes or more"
SERVER = [
    sys.executable,
    "-m",
    "gunicorn",
    "-c",
    "python:soundlift.common.web.gunicorn_config",
    "functions.upload.handler:app",
]
DEADLINE_SECONDS = 30
LARGE = 64 * 2**20
MP4 = b"\x00\x00\x00\x18ftypmp42"


@pytest.fixture
def upload_url(tmp_path: Path) -> Iterator[str]:
    migrate(f"sqlite:///{tmp_path}/soundlift.db")
    port = str(free_port())
    settings = {"JWT_SECRET": SECRET, "SOUNDLIFT_DATA": str(tmp_path), "MAX_UPLOAD_BYTES": str(2**20)}
    environment = {**os.environ, "HOST": "127.0.0.1", "PORT": port, **settings}
    process = subprocess.Popen(SERVER, env=environment, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib3.request("GET", f"{url}/_/health", retries=False, timeout=2)
            return
        except urllib3.exceptions.HTTPError:
            time.sleep(0.05)
    pytest.fail("the server did not start")


@pytest.mark.servers
def test_a_wrong_token_is_reported_for_a_large_video(upload_url: str) -> None:
    with pytest.raises(ApiError) as refusal:
        Client(upload_url, token="wrong").upload(io.BytesIO(MP4 + bytes(LARGE)), "large.mp4")
    assert (refusal.value.status, refusal.value.code) == (401, "not_authorized")


@pytest.mark.servers
def test_a_video_that_is_too_large_is_refused_before_it_has_been_sent(upload_url: str) -> None:
    token = Tokens((SECRET,), sign_in_seconds=60, link_seconds=60).sign_in("you@example.org", admin=False)
    sent: list[int] = []
    with pytest.raises(ApiError) as refusal:
        Client(upload_url, token=token).upload(
            io.BytesIO(MP4 + bytes(LARGE)), "large.mp4", on_progress=lambda done, total: sent.append(done)
        )
    assert (refusal.value.status, refusal.value.code) == (413, "too_large")
    assert max(sent, default=0) < LARGE


def test_a_refused_connection_is_one_short_sentence() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    client = Client(url, token="any", email="you@example.org", password="a password")
    for call in (client.validate, client.login, lambda: client.upload(io.BytesIO(MP4), "small.mp4")):
        with pytest.raises(ConnectionFailed) as failure:
            call()
        assert failure.value.detail == f"Cannot connect to {url} ({os.strerror(errno.ECONNREFUSED)})."


def test_an_unknown_host_cannot_be_reached() -> None:
    with pytest.raises(ConnectionFailed, match=r"^Cannot connect to http://none\.invalid \([^:<>]+\)\.$"):
        Client("http://none.invalid", token="any").validate()


def test_an_answer_that_is_not_http_is_reported_as_invalid() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        answered = pool.submit(_answer_plain_text, server)
        with pytest.raises(ConnectionFailed, match=rf"^{url} did not give a valid answer: "):
            Client(url, token="any").upload(io.BytesIO(MP4), "small.mp4")
        answered.result(DEADLINE_SECONDS)


def _answer_plain_text(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(2**16)
        connection.sendall(b"220 not the server you meant\r\n")
