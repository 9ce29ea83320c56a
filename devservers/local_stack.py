"""A running `soundlift up`, observed from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import urllib3

from devservers.waiting import DEADLINE_SECONDS

GATEWAY = "soundlift.local.gateway_process"


@dataclass(frozen=True)
class Process:
    """A row of the process table."""

    pid: int
    parent: int
    command: str


def assert_refused(*arguments: str, naming: str, **environment: str) -> None:
    """Assert that `soundlift up` exits with code 1 and one sentence on stderr."""
    ended = subprocess.run(
        [sys.executable, "-m", "soundlift.cli", "up", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"soundlift: [^\n]+\.\n", ended.stderr)
    assert naming in ended.stderr


def living_processes() -> dict[int, Process]:
    listed = subprocess.run(
        ["ps", "-axww", "-o", "pid=,ppid=,stat=,command="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(maxsplit=3) for line in listed.splitlines()]
    return {int(row[0]): Process(int(row[0]), int(row[1]), row[3]) for row in rows if not row[2].startswith("Z")}


@dataclass(frozen=True)
class Stack:
    """A running `soundlift up`."""

    process: subprocess.Popen[bytes]
    url: str
    data: Path
    terminal: Path

    @property
    def output(self) -> str:
        return self.terminal.read_text()

    @property
    def login(self) -> str:
        """Return the gateway's login from the file that an operator reads."""
        return (self.data / "secrets" / "gateway-login").read_text()

    def get(self, path: str, *, login: str | None = None) -> urllib3.BaseHTTPResponse:
        return self._request("GET", path, login)

    def post(self, path: str, *, login: str | None = None) -> urllib3.BaseHTTPResponse:
        return self._request("POST", path, login)

    def cleanup(self) -> urllib3.BaseHTTPResponse:
        return self.post("/function/cleanup", login=self.login)

    def _request(self, method: str, path: str, login: str | None) -> urllib3.BaseHTTPResponse:
        headers = {"Connection": "close", **urllib3.make_headers(basic_auth=login)}
        return urllib3.request(
            method, self.url + path, headers=headers, retries=False, timeout=DEADLINE_SECONDS, redirect=False
        )

    def answers(self) -> bool:
        try:
            return self.get("/healthz").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def descendants(self) -> list[Process]:
        living = living_processes()
        found = [self.process.pid]
        for parent in found:
            found += [one.pid for one in living.values() if one.parent == parent]
        return [living[pid] for pid in found[1:]]

    def child(self, module: str) -> Process | None:
        """Return the child that runs a module; with setproctitle installed, gunicorn changes its own command line."""
        children = [one for one in self.descendants() if one.parent == self.process.pid]
        names = [f"-m {module}", *(["gunicorn: master"] if module == GATEWAY else [])]
        return next((one for one in children if any(name in one.command for name in names)), None)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)

    def force_stop(self) -> None:
        """Stop the stack, with a second signal, which stops it immediately, if the first has no effect in time."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.stop()


Start = Callable[..., Stack]
