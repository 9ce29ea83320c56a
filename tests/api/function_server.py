"""A function behind gunicorn in its own process, for tests that send requests byte by byte."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from devservers.local_stack import living_processes
from devservers.ports import free_port
from devservers.waiting import wait_for
from soundlift.common.services import Services
from tests.factories.accounts import SECRET

GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "python:soundlift.common.web.gunicorn_config"]
TIMEOUT_SECONDS = 30
LOOPBACK = "127.0.0.1"


class FunctionServer:
    """A function behind gunicorn, as it is deployed."""

    def __init__(
        self,
        name: str,
        services: Services,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        application: str = "",
    ) -> None:
        self.function = name
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        settings = {
            "SOUNDLIFT_DATA": str(services.settings.soundlift_data),
            "JWT_SECRET": SECRET,
            "HOST": LOOPBACK,
            "PORT": str(self.port),
        }
        self.log = log or services.settings.soundlift_data / f"{name}.log"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*GUNICORN, application or f"functions.{name}.handler:app"],
                env={**os.environ, **settings, **(environment or {})},
                stdout=output,
                stderr=output,
            )

    @property
    def worker(self) -> int:
        (pid,) = [process.pid for process in living_processes().values() if process.parent == self.process.pid]
        return pid

    def answers(self) -> bool:
        try:
            with self.connect("GET /_/health") as connection:
                return connection.recv(12) == b"HTTP/1.1 200"
        except OSError:
            return False

    def refuses(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self.port), TIMEOUT_SECONDS).close()
        except ConnectionRefusedError:
            return True
        return False

    def open(self, source: str = LOOPBACK) -> socket.socket:
        """Return a new connection from a loopback address."""
        return socket.create_connection((LOOPBACK, self.port), TIMEOUT_SECONDS, (source, 0))

    def connect(self, request: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> socket.socket:
        """Return a connection on which a request has been sent."""
        connection = self.open()
        lines = [f"{request} HTTP/1.1", "Host: a", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return connection

    def peak_memory(self) -> int:
        """Return the peak resident memory of the worker process, in bytes (Linux only)."""
        status = Path(f"/proc/{self.worker}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def stop(self) -> None:
        """Kill gunicorn and its worker, which would otherwise finish its requests first."""
        workers = [process.pid for process in living_processes().values() if process.parent == self.process.pid]
        self.process.kill()
        self.process.wait()
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


@contextmanager
def served(
    name: str,
    services: Services,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
    application: str = "",
) -> Iterator[FunctionServer]:
    """Serve a function, or another application, that uses the database and the folder of the test."""
    server = FunctionServer(name, services, environment, log, application)
    try:
        wait_for(server.answers, f"{name} answers")
        yield server
    finally:
        server.stop()


def read_response(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read exactly one response, and return its status, headers (in lower case) and body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += _receive(connection, 1)
    line, *fields = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return int(line.split()[1]), headers, _receive(connection, int(headers.get("content-length", "0")))


def read_problem(connection: socket.socket) -> dict[str, Any]:
    """Read one response, and return its problem document, whose status is that of the response."""
    status, headers, body = read_response(connection)
    problem: dict[str, Any] = json.loads(body)
    assert (status, headers["content-type"]) == (problem["status"], "application/problem+json")
    return problem


def has_response(connection: socket.socket) -> bool:
    """Return whether a response or the end of the connection has arrived."""
    timeout = connection.gettimeout()
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(timeout)
    return True


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        block = connection.recv(size - len(received))
        assert block, "the connection ended within a response"
        received += block
    return received


def is_reset(connection: socket.socket) -> bool:
    """Return whether the server has closed the connection completely, so that sending fails."""
    try:
        connection.sendall(b"a")
    except OSError:
        return True
    return False
