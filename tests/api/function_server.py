"""Runs a function behind gunicorn as a process, and talks to it byte by byte."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devservers.local_stack import living_processes
from devservers.ports import free_port
from devservers.waiting import wait_for
from soundlift.common.services import Services
from tests.factories.accounts import SECRET

GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "python:soundlift.common.web.gunicorn_config"]
DEADLINE_SECONDS = 30
HERE = "127.0.0.1"


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
        self.url = f"http://{HERE}:{self.port}"
        own = {
            "SOUNDLIFT_DATA": str(services.settings.soundlift_data),
            "JWT_SECRET": SECRET,
            "HOST": HERE,
            "PORT": str(self.port),
        }
        self.log = log or services.settings.soundlift_data / f"{name}.log"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*GUNICORN, application or f"functions.{name}.handler:app"],
                env={**os.environ, **own, **(environment or {})},
                stdout=output,
                stderr=output,
            )

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
            socket.create_connection((HERE, self.port), DEADLINE_SECONDS).close()
        except ConnectionRefusedError:
            return True
        return False

    def open(self, source: str = HERE) -> socket.socket:
        """Return a connection on which nothing was sent yet, from an address of the loopback."""
        return socket.create_connection((HERE, self.port), DEADLINE_SECONDS, (source, 0))

    def connect(self, request: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> socket.socket:
        """Return a connection on which a request was sent."""
        connection = self.open()
        lines = [f"{request} HTTP/1.1", "Host: a", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return connection

    def peak_memory(self) -> int:
        """Return the largest resident memory that the process which answers has ever had, in bytes (Linux)."""
        status = Path(f"/proc/{self.worker}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def served(
    name: str, services: Services, environment: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[FunctionServer]:
    """Serve a function over the database and the folder of a test."""
    server = FunctionServer(name, services, environment, log)
    try:
        wait_for(server.answers, f"{name} answers")
        yield server
    finally:
        server.stop()


def read_response(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Return the status, the headers in lower case, and the body of the next response, and read no byte behind it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += _received(connection, 1)
    line, *fields = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return int(line.split()[1]), headers, _received(connection, int(headers.get("content-length", "0")))


def read_problem(connection: socket.socket) -> dict[str, Any]:
    """Return the problem document that is the next response, of the status that it says."""
    status, headers, body = read_response(connection)
    problem: dict[str, Any] = json.loads(body)
    assert (status, headers["content-type"]) == (problem["status"], "application/problem+json")
    return problem


def has_answer(connection: socket.socket) -> bool:
    """Return whether an answer, or the end, has arrived."""
    patience = connection.gettimeout()
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(patience)
    return True


def _received(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        block = connection.recv(size - len(received))
        assert block, "the connection ended within a response"
        received += block
    return received


def is_reset(connection: socket.socket) -> bool:
    """Send something, and return whether nobody is there to take it."""
    try:
        connection.sendall(b"a")
    except OSError:
        return True
    return False
