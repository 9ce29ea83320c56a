"""The embedded stack, run as a child process for as long as a command needs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import click

from soundlift.common.errors import SoundliftError
from soundlift.common.settings import Settings
from soundlift.local.gateway_health import is_healthy

READY_SECONDS = 60
STOP_SECONDS = 30
POLL_SECONDS = 0.05
ERROR = "soundlift: "
SETTINGS = frozenset(field.name.upper() for field in fields(Settings))


class StackFailed(SoundliftError):
    """An embedded stack that did not start, or did not complete a step of the command."""


def environment_without_settings() -> dict[str, str]:
    """Return the environment without Soundlift's settings, which may name servers of a real deployment."""
    return {name: value for name, value in os.environ.items() if name not in SETTINGS}


@contextmanager
def running_stack(data: Path, *, verbose: bool = False) -> Iterator[str]:
    """Run the stack on a free port with a data folder, yield its address, and stop it at the end.

    The stack inherits the read end of a pipe, so that it stops when this process is killed. Raises StackFailed if it
    does not start. If `verbose`, its logs are printed afterwards.
    """
    port = _free_port()
    log = data / "up.log"
    arguments = [sys.executable, "-P", "-m", "soundlift.cli", "up", "--port", str(port), "--data", str(data)]
    lifeline, write_end = os.pipe()
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments,
            env={**environment_without_settings(), "LIFELINE_FD": str(lifeline)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[lifeline],
            start_new_session=True,
        )
    os.close(lifeline)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(process, url, log)
        yield url
    finally:
        _stop(process)
        os.close(write_end)
        if verbose:
            click.echo(_lines(log, *sorted(data.glob("logs/*.log"))), err=True)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # its children stop when their lifeline closes
        process.wait()


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not is_healthy(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise StackFailed(_reason(log) or "The embedded stack did not start; --verbose shows its log.")
        time.sleep(POLL_SECONDS)


def _reason(log: Path) -> str | None:
    """Return the sentence with which `up` refused to start, if there is one."""
    lines = [line for line in log.read_text().splitlines() if line.startswith(ERROR)]
    return lines[-1].removeprefix(ERROR) if lines else None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _lines(*logs: Path) -> str:
    return "\n".join(f"{log.name}: {line}" for log in logs for line in log.read_text().splitlines())
