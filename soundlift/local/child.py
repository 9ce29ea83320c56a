"""Keeps one child process going: starts it again when it dies, and ends it with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from soundlift.local.log_pipe import LogPipe
from soundlift.local.restart import Restart
from soundlift.local.terminal import say


class Child:
    """Is a process in a session of its own, so that a Ctrl-C at the terminal reaches only the supervisor.

    It is started at once, with the read end of a pipe as its lifeline; its output goes to the end of a log,
    which is rotated meanwhile.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], *, lifeline: int, log: Path
    ) -> None:
        self.name = name
        self.log = log
        self._arguments = arguments
        self._environment = {**environment, "LIFELINE_FD": str(lifeline)}
        self._lifeline = lifeline
        self._restart = Restart()
        self._output = LogPipe(log)
        self._process = self._start()

    @property
    def running(self) -> bool:
        """Tell whether the process runs now."""
        return self._process.poll() is None

    def look_after(self) -> None:
        """Start the process again some time after it has died; the time doubles while it keeps dying young."""
        self._output.look_after()
        if self.running:
            return
        if not self._restart.is_planned:
            self._bury()
        elif self._restart.is_due:
            self._start_again()

    def terminate(self) -> None:
        """Ask the process to finish what it does and end."""
        self._process.terminate()

    def kill(self) -> None:
        """End the process, and all that is left of its session, at once."""
        if not self._restart.is_planned:
            with suppress(ProcessLookupError, PermissionError):  # nobody is left, or, on macOS, only zombies are
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def close_log(self) -> None:
        """Wait until all output of the process, which has ended for good, is in the log."""
        self._output.close()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self._arguments,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output.writing,
            stderr=self._output.writing,
            pass_fds=[self._lifeline],
            start_new_session=True,
        )
        self._restart.note_start()
        return process

    def _start_again(self) -> None:
        try:
            self._process = self._start()
        except OSError as error:  # the machine lacks memory, processes or file descriptors
            self._restart.plan()
            say(f"{self.name} cannot be started ({error.strerror}); it is tried again in {self._restart.pause:g} s")

    def _bury(self) -> None:
        """Kill what the dead process left behind, which may hold its port, and set the time of the next start."""
        self.kill()
        self._restart.plan()
        ending = _ending(self._process.returncode)
        say(f"{self.name} {ending}; it starts again in {self._restart.pause:g} s (log: {self.log})")


def _ending(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"
