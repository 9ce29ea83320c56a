"""A pipe from a child's output to a process that writes and rotates its log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from soundlift.local import log_writer
from soundlift.local.restart import Restart

MAX_LOG_BYTES = 10 * 2**20
STOP_SECONDS = 5


class LogPipe:
    """A pipe and the log writer that reads from it.

    Both ends stay open in this process, so that a new writer can continue to read after the old one was killed.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._read_end, self.write_end = os.pipe()
        self._restart = Restart()
        self._writer = self._start()

    def supervise(self) -> None:
        """Restart the writer after a pause if it has died; call this regularly. See Restart for the pause."""
        if self._writer.poll() is None:
            return
        if not self._restart.is_scheduled:
            self._restart.schedule()
        elif self._restart.is_due:
            self._start_again()

    def close(self) -> None:
        """Wait until the contents of the pipe are written; no other process may still have its write end open."""
        os.close(self.write_end)
        os.close(self._read_end)
        try:
            self._writer.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._writer.kill()
            self._writer.wait()

    def _start_again(self) -> None:
        try:
            self._writer = self._start()
        except OSError:  # the machine lacks memory, processes or file descriptors
            self._restart.schedule()

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the writer in a separate session, out of reach of Ctrl-C, with only the standard library."""
        writer = subprocess.Popen(
            [sys.executable, "-I", "-S", log_writer.__file__, str(self.log), str(MAX_LOG_BYTES)],
            stdin=self._read_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._restart.record_start()
        return writer
