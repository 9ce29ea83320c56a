"""A child process that is restarted when it dies, and stopped together with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from soundlift.local.log_pipe import LogPipe
from soundlift.local.restart import Restart
from soundlift.local.terminal import print_message


class Child:
    """A process in a separate session, so that Ctrl-C at the terminal reaches only the supervisor.

    It is started immediately and inherits the read end of a pipe as its lifeline. Its output is appended to a log
    that is rotated while the process runs.
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
        """Return whether the process is running."""
        return self._process.poll() is None

    def supervise(self) -> None:
        """Restart the process after a pause if it has died; call this regularly. See Restart for the pause."""
        self._output.supervise()
        if self.running:
            return
        if not self._restart.is_scheduled:
            self._handle_exit()
        elif self._restart.is_due:
            self._start_again()

    def terminate(self) -> None:
        """Ask the process to finish its work and exit."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill the process and everything else in its session."""
        if not self._restart.is_scheduled:
            with suppress(ProcessLookupError, PermissionError):  # the session is empty or, on macOS, has only zombies
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def close_log(self) -> None:
        """Wait until the log contains all output of the process, which must have ended and will not be restarted."""
        self._output.close()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self._arguments,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output.write_end,
            stderr=self._output.write_end,
            pass_fds=[self._lifeline],
            start_new_session=True,
        )
        self._restart.record_start()
        return process

    def _start_again(self) -> None:
        try:
            self._process = self._start()
        except OSError as error:  # the machine lacks memory, processes or file descriptors
            self._restart.schedule()
            print_message(
                f"{self.name} cannot be started ({error.strerror}); next attempt in {self._restart.pause:g} s"
            )

    def _handle_exit(self) -> None:
        """Kill the remaining processes of the session, one of which may hold its port, and schedule a restart."""
        self.kill()
        self._restart.schedule()
        ending = _exit_description(self._process.returncode)
        print_message(f"{self.name} {ending}; restarting in {self._restart.pause:g} s (log: {self.log})")


def _exit_description(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"exited with code {status}"
