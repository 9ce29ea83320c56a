"""The messages of a command that waits for a server."""

from __future__ import annotations

import sys
from threading import Lock

from soundlift.cli.display import Display
from soundlift.cli.error_text import error_text
from soundlift.client import ApiError, ClientError


class Messages:
    """The messages of a command to its user; `level` is -1 for quiet, 0, or 1 for verbose."""

    def __init__(self, display: Display, level: int) -> None:
        self._display = display
        self._level = level
        self._lost = False
        self._lock = Lock()

    def error(self, text: str) -> None:
        """Print a message that is never omitted."""
        self._display.print(text, err=True)

    def note(self, text: str) -> None:
        """Print a message, unless the command is to be quiet."""
        if self._level >= 0:
            self._display.print(text, err=True)

    def progress(self, text: str) -> None:
        """Print a message on a terminal, or if the command is to be verbose: elsewhere, each file has only one line."""
        if self._level > 0 or (self._level == 0 and sys.stderr.isatty()):
            self._display.print(text, err=True)

    def detail(self, text: str) -> None:
        """Print a message if the command is to be verbose."""
        if self._level > 0:
            self._display.print(text, err=True)

    def retrying(self, error: ClientError, _pause: float) -> None:
        """Print once that the server cannot be reached or is busy."""
        with self._lock:
            lost, self._lost = self._lost, True
        if not lost:
            busy = "The server is busy: " if isinstance(error, ApiError) else ""
            self.note(f"{busy}{error_text(error)}. Trying again until it works; Ctrl-C stops.")

    def received(self) -> None:
        """Print that the server has answered again."""
        with self._lock:
            lost, self._lost = self._lost, False
        if lost:
            self.note("Connected again.")
