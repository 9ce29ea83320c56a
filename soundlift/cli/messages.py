"""The messages of a command that waits for a server."""

from __future__ import annotations

import sys
from threading import Lock, get_ident

from soundlift.cli.display import Display
from soundlift.cli.error_text import error_text
from soundlift.client import ApiError, ClientError

DISCONNECTED = "disconnected"
UNEXPECTED_ANSWER = "unexpected_answer"  # of a proxy, for example; the error then begins with "The server answered"


class Messages:
    """The messages of a command to its user; `level` is -1 for quiet, 0, or 1 for verbose.

    Threads may share it. They wait for the same server, so each kind of trouble is printed once, until no thread is
    in trouble any more.
    """

    def __init__(self, display: Display, level: int) -> None:
        self._display = display
        self._level = level
        self._troubled: set[int] = set()
        self._printed: list[str] = []
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
        """Print that the server cannot be reached, or what it says."""
        kind = error.code if isinstance(error, ApiError) else DISCONNECTED
        with self._lock:
            self._troubled.add(get_ident())
            known = kind in self._printed
            if not known:
                self._printed.append(kind)
        if not known:
            self.note(f"{_speaker(error)}{error_text(error)}. Trying again until it works; Ctrl-C stops.")

    def succeeded(self) -> None:
        """Print that the server works again, after a request of this thread that did what it was for."""
        with self._lock:
            self._troubled.discard(get_ident())
            last = self._printed[-1] if self._printed and not self._troubled else None
            if last:
                self._printed.clear()
        if last:
            self.note("Connected again." if last == DISCONNECTED else "The server works again.")

    def ended(self) -> None:
        """Forget the trouble of this thread, whose file has ended with an error."""
        with self._lock:
            self._troubled.discard(get_ident())


def _speaker(error: ClientError) -> str:
    """Return who says what an error says, unless the error itself does."""
    return "The server answered: " if isinstance(error, ApiError) and error.code != UNEXPECTED_ANSWER else ""
