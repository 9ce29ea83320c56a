"""Log lines on a file descriptor; a line that cannot be written is dropped and counted."""

from __future__ import annotations

import os
from threading import Lock

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2


class LogLines:
    """A structlog logger that writes to a file descriptor, by default standard output.

    Logging never interrupts the work: on a full disk, or on a pipe without a reader, lines are dropped. Once a line can
    be written again, the number of dropped lines is reported on standard error. Lines are written unbuffered: a buffer
    would keep a line that could not be written, and fail again with the next line.
    """

    def __init__(self, descriptor: int = STANDARD_OUTPUT) -> None:
        self._descriptor = descriptor
        self._lock = Lock()
        self._dropped = 0
        self._is_torn = False  # the last line was written in part, so the next one must start with a line break

    def msg(self, line: str) -> None:
        """Write a line, or count it as dropped; never raises OSError."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            if self._is_torn:
                data = b"\n" + data
            try:
                self._write(data)
            except OSError:
                self._dropped += 1
                return
            if self._dropped and _report_dropped(self._dropped):
                self._dropped = 0

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg

    def _write(self, data: bytes) -> None:
        while data:
            written = os.write(self._descriptor, data)
            data = data[written:]
            self._is_torn = bool(data)


def _report_dropped(dropped: int) -> bool:
    """Report dropped lines on standard error, and return whether that could be written."""
    try:
        os.write(STANDARD_ERROR, f"soundlift: {dropped} log lines were lost.\n".encode())
    except OSError:
        return False
    return True
