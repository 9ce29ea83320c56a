"""A server process that is started, awaited and killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from devservers.waiting import wait_for


class NotInstalled(Exception):
    """A missing program; the message says how to install it."""

    def __init__(self, what: str, how: str) -> None:
        super().__init__(f"{what} is not installed: {how}")


class Server:
    """A server process and its children; it can be killed and started again."""

    def __init__(  # noqa: PLR0913 - all but the first are options of the process
        self,
        arguments: Sequence[str],
        *,
        log: Path,
        answers: Callable[[], object],
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        user: tuple[int, int] | None = None,
    ) -> None:
        """Describe a process; only root can start it as another `user`, given by the ids of a user and a group."""
        self._arguments = arguments
        self._folder = folder
        self._identity: dict[str, Any] = {} if user is None else {"user": user[0], "group": user[1], "extra_groups": ()}
        self._environment = {**os.environ, **(environment or {})}
        self._log = log
        self._answers = answers
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, seconds: float = 60) -> None:
        """Start the process and wait until the server answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._identity,
            )
        wait_for(self._is_up, f"{self._arguments[0]} answers; see {self._log}", seconds=seconds)

    @contextmanager
    def running(self, *, seconds: float = 60) -> Iterator[None]:
        """Run the process within a `with` statement; it is also killed if the server never answers."""
        try:
            self.start(seconds=seconds)
            yield
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the process group with SIGKILL."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def terminate(self, *, seconds: float = 30) -> int:
        """Stop the process as a platform does: by SIGTERM, and after `seconds` by SIGKILL to its whole group.

        Return the exit code, which is negative if the process was killed.
        """
        process = self._process
        if process is None:
            return 0
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        self.kill()
        return process.returncode

    @property
    def pid(self) -> int:
        """Return the id of the running process, which is also that of its group."""
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Return whether the process was started, and has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    @property
    def exit_code(self) -> int | None:
        """Return the exit code of a process that has ended by itself, otherwise None."""
        return self._process.poll() if self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Return whether the process was started and has not been killed since."""
        return self._process is not None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process group; after SIGSTOP, return once the server has stopped answering."""
        if self._process is None:
            return
        os.killpg(self._process.pid, number)
        if number == signal.SIGSTOP:  # the server may answer until its last thread has stopped
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self._arguments[0]} ended: {self._log.read_text()[-2000:]}"
        with suppress(Exception):
            return bool(self._answers())
        return False
