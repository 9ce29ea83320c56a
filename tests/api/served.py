"""Serves one function by gunicorn, as it is deployed, and exchanges raw bytes with it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soundlift.common.services import Services
from tests.conftest import SECRET
from tests.parts import free_port, wait_for

DEADLINE_SECONDS = 30
HERE = "127.0.0.1"


class Served:
    """One function behind gunicorn."""

    def __init__(self, function: str, process: subprocess.Popen[bytes], port: int) -> None:
        self.function = function
        self._process = process
        self.port = port

    def connect(self) -> socket.socket:
        return socket.create_connection((HERE, self.port), DEADLINE_SECONDS)

    def answers(self) -> bool:
        assert self._process.poll() is None, "the server did not start"
        try:
            with self.connect() as connection:
                connection.sendall(b"GET /_/health HTTP/1.1\r\nHost: a\r\n\r\n")
                return connection.recv(12) == b"HTTP/1.1 200"
        except OSError:
            return False

    def peak_memory(self) -> int:
        """Return the largest resident memory that the process which answers has ever had, in bytes (Linux)."""
        worker = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().strip()
        status = Path(f"/proc/{worker}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@contextmanager
def served(name: str, services: Services, **environment: str) -> Iterator[Served]:
    """Serve a function over the database and the folder of a test."""
    port = free_port()
    own = {"SOUNDLIFT_DATA": str(services.settings.soundlift_data), "JWT_SECRET": SECRET, "HOST": HERE}
    command = [sys.executable, "-m", "gunicorn", "-c", "python:soundlift.common.serving"]
    process = subprocess.Popen(
        [*command, f"functions.{name}.handler:app"],
        env={**os.environ, **own, "PORT": str(port), **environment},
        stdout=subprocess.DEVNULL,
    )
    server = Served(name, process, port)
    try:
        wait_for(server.answers, f"{name} answers")
        yield server
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)
