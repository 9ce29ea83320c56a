"""Connects a child's output to its log, by a process that rotates the log while the child runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from soundlift.local import log_writer
from soundlift.local.restart import Restart

LARGEST_LOG = 10 * 2**20
SECONDS_TO_END = 5


class LogPipe:
    """A pipe and the process at its other end.

    Both ends stay open here, so that the pipe outlives a writer that was killed: the next one reads on.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._reading, self.writing = os.pipe()
        self._restart = Restart()
        self._writer = self._start()

    def look_after(self) -> None:
        """Start the writer again some time after it has died; the time doubles while it keeps dying young."""
        if self._writer.poll() is None:
            return
        if not self._restart.is_planned:
            self._restart.plan()
        elif self._restart.is_due:
            self._start_again()

    def close(self) -> None:
        """Wait until everything that was put into the pipe is written; nobody else may have it open any more."""
        os.close(self.writing)
        os.close(self._reading)
        try:
            self._writer.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._writer.kill()
            self._writer.wait()

    def _start_again(self) -> None:
        try:
            self._writer = self._start()
        except OSError:  # the machine lacks memory, processes or file descriptors
            self._restart.plan()

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the writer in a session of its own, out of reach of Ctrl-C; it imports the standard library only."""
        writer = subprocess.Popen(
            [sys.executable, "-I", "-S", log_writer.__file__, str(self.log), str(LARGEST_LOG)],
            stdin=self._reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._restart.note_start()
        return writer
