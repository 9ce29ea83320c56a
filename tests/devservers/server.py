"""Runs a real server beside the tests: on loopback, in a folder of its own, ended by its process id."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest

from tests.factories.parts import wait_for


class Server:
    """Is one server process, with what it starts itself; it can be killed and started again."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        log: Path,
        answers: Callable[[], object],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._log = log
        self._answers = answers
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, seconds: float = 60) -> None:
        """Start the process and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self._is_up, f"{self._arguments[0]} answers; {self._log} says more", seconds=seconds)

    def kill(self) -> None:
        """End the process, and all of its group, with SIGKILL."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    @property
    def is_running(self) -> bool:
        """Return whether it was started and not killed since."""
        return self._process is not None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and all of its group: SIGSTOP is a server that hangs, when this returns."""
        if self._process is None:
            return
        os.killpg(self._process.pid, number)
        if number == signal.SIGSTOP:  # until its last thread has stopped, it may well answer once more
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self._arguments[0]} ended: {self._log.read_text()[-2000:]}"
        with suppress(Exception):
            return bool(self._answers())
        return False


def absent(what: str, how: str) -> NoReturn:
    """Skip a test whose server is not installed, with a sentence that says how to get it; in CI, fail."""
    sentence = f"{what} is not installed: {how}"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)
