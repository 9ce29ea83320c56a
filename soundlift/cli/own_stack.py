"""Runs the embedded stack as a process, for as long as a command needs it."""

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

from soundlift.client import ClientError
from soundlift.common.errors import SoundliftError
from soundlift.common.settings import Settings

READY_SECONDS = 60
STOP_SECONDS = 30
LOOK_AGAIN_SECONDS = 0.05
LOG_LINES = 15
READY = b"is ready at"
SETTINGS = frozenset(item.name.upper() for item in fields(Settings))


class StackFailed(SoundliftError):
    """Says at which step a stack of our own came to its end."""


def own_environment() -> dict[str, str]:
    """Return the environment without settings, which may lead to somebody else's servers."""
    return {name: value for name, value in os.environ.items() if name not in SETTINGS}


@contextmanager
def running_stack(data: Path) -> Iterator[str]:
    """Run the stack on a free port with a data folder, yield its address, and end it whatever happens.

    The stack holds the read end of a pipe, and stops by itself when this process ends without stopping it.
    Raises StackFailed where it does not start. After an error, shows the end of its logs.
    """
    port = _free_port()
    log = data / "up.log"
    arguments = [sys.executable, "-m", "soundlift.local", "--port", str(port), "--data", str(data)]
    lifeline, held = os.pipe()
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments,
            env={**own_environment(), "LIFELINE_FD": str(lifeline)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[lifeline],
            start_new_session=True,
        )
    os.close(lifeline)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        _wait_until_ready(process, log)
        yield f"http://127.0.0.1:{port}"
    except (SoundliftError, ClientError):
        click.echo(_ends_of(log, *sorted(data.glob("logs/*.log"))), err=True)
        raise
    finally:
        _stop(process)
        os.close(held)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # its children see their lifeline end, and follow
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while READY not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise StackFailed("The stack does not start.")
        time.sleep(LOOK_AGAIN_SECONDS)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _ends_of(*logs: Path) -> str:
    return "\n".join(f"{log.name}: {line}" for log in logs for line in log.read_text().splitlines()[-LOG_LINES:])
