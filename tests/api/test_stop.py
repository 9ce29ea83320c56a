"""A function told to stop answers all who have connected, and lets those who come later go elsewhere."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from soundlift.common.database import jobs as table
from soundlift.common.services import Services
from tests.conftest import SECRET
from tests.local.running import living_processes
from tests.parts import MP4, bearer, free_port, wait_for

COMMAND = [sys.executable, "-m", "gunicorn", "-c", "python:soundlift.common.serving", "functions.upload.handler:app"]
DEADLINE_SECONDS = 30
IN_LINE = 5
SIGTERM_WAITS = 1 << (signal.SIGTERM - 1)  # in ShdPnd


class Server:
    """Is upload behind gunicorn, as it is deployed."""

    def __init__(self, services: Services) -> None:
        self._port = free_port()
        own = {
            "SOUNDLIFT_DATA": str(services.settings.soundlift_data),
            "JWT_SECRET": SECRET,
            "HOST": "127.0.0.1",
            "PORT": str(self._port),
        }
        self.process = subprocess.Popen(COMMAND, env={**os.environ, **own}, stdout=subprocess.DEVNULL)

    @property
    def worker(self) -> int:
        (pid,) = [one.pid for one in living_processes().values() if one.parent == self.process.pid]
        return pid

    def answers(self) -> bool:
        try:
            with self.connect("GET /_/health") as connection:
                return connection.recv(12) == b"HTTP/1.1 200"
        except OSError:
            return False

    def refuses(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), DEADLINE_SECONDS).close()
        except ConnectionRefusedError:
            return True
        return False

    def connect(self, request: str, headers: dict[str, str] | None = None, body: bytes = b"") -> socket.socket:
        """Return a connection on which a request was sent."""
        connection = socket.create_connection(("127.0.0.1", self._port), DEADLINE_SECONDS)
        lines = [f"{request} HTTP/1.1", "Host: a", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return connection


@pytest.fixture
def server(services: Services) -> Iterator[Server]:
    server = Server(services)
    try:
        wait_for(server.answers, "it answers")
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def test_a_request_in_work_is_finished_while_nobody_new_is_let_wait(server: Server, services: Services) -> None:
    video = MP4 + bytes(4 * 2**20)
    headers = {**bearer(services), "Content-Length": str(len(video))}
    with server.connect("POST /", headers, video[: len(video) // 2]) as upload:
        wait_for(lambda: has_a_row(services), "the upload is in work")
        server.process.terminate()
        wait_for(server.refuses, "it stops listening")
        upload.sendall(video[len(video) // 2 :])
        assert upload.recv(12) == b"HTTP/1.1 202"
    assert server.process.wait(DEADLINE_SECONDS) == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells which signals wait for a process")
def test_all_who_have_connected_before_are_answered(server: Server) -> None:
    worker = server.worker
    os.kill(worker, signal.SIGSTOP)
    wait_for(lambda: status_of(worker)["State"].startswith("T"), "its worker stands still")
    with ExitStack() as stack:
        line = [stack.enter_context(server.connect("GET /_/health")) for _ in range(IN_LINE)]
        server.process.terminate()
        wait_for(lambda: int(status_of(worker)["ShdPnd"], 16) & SIGTERM_WAITS, "its worker is told to stop")
        os.kill(worker, signal.SIGCONT)
        assert [connection.recv(12) for connection in line] == [b"HTTP/1.1 200"] * IN_LINE
    assert server.process.wait(DEADLINE_SECONDS) == 0


def has_a_row(services: Services) -> bool:
    with services.database.read() as connection:
        return connection.execute(sa.select(table.c.id)).first() is not None


def status_of(pid: int) -> dict[str, str]:
    """Return what Linux tells of a process (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
