"""A program that writes its standard input to a log rotated by size: `python log_writer.py FILE MAX_BYTES`.

It runs as a separate process between a child's output and its log. A thread of the supervisor is not enough: a stopped
supervisor (Ctrl-Z) would block its children once the pipe is full, and a killed one would break the pipe while they
are still finishing their work. This process runs until the last child has closed the pipe. Copying and truncating
the log would need no pipe, but would lose the lines written in between.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

BLOCK = 64 * 1024
STANDARD_INPUT = 0


class RotatingLog:
    """A log of at most about `max_bytes`, and the previous one, FILE.1; both consist of complete lines.

    Lines that cannot be written, for example because the disk is full, are lost. They are counted, and an entry with
    their number is written to the log as soon as that is possible again.
    """

    def __init__(self, file: str, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._descriptor: int | None = None
        self._size = 0
        self._ends_mid_line = False
        self._lost = 0
        self._skips_to_newline = False  # the next bytes are the rest of a lost line
        self._cause = ""

    def write(self, block: bytes) -> None:
        """Append a block, which may start and end in the middle of a line; never raises OSError."""
        if self._skips_to_newline:
            _, newline, block = block.partition(b"\n")
            self._skips_to_newline = not newline
        if self._lost and not self._append(self._lost_lines_entry()):
            self._lost = 0
        if self._open() and self._size + len(block) > self._max_bytes:
            end = block.find(b"\n") + 1 if self._ends_mid_line else 0
            self._count_lost(self._append(block[:end]))
            block = block[end:]
            if block:
                self._rotate()
        self._count_lost(self._append(block))

    def _append(self, data: bytes) -> bytes:
        """Append data to the log, and return the part that could not be written."""
        while data and self._open():
            assert self._descriptor is not None
            try:
                written = os.write(self._descriptor, data)
            except OSError as error:
                self._cause = str(error.strerror)
                break
            self._size += written
            self._ends_mid_line = data[written - 1 : written] != b"\n"
            data = data[written:]
        return data

    def _open(self) -> bool:
        """Open the log if it is not open, and return whether it is."""
        if self._descriptor is None:
            try:
                descriptor = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            except OSError as error:
                self._cause = str(error.strerror)
                return False
            self._descriptor = descriptor
            self._size = os.fstat(descriptor).st_size
            self._ends_mid_line = self._size > 0 and os.pread(descriptor, 1, self._size - 1) != b"\n"
        return True

    def _rotate(self) -> None:
        """Make this log the previous one; keep using it if it ends in the middle of a line or cannot be renamed."""
        if self._descriptor is None or self._ends_mid_line or not self._size:
            return
        try:
            os.replace(self._file, f"{self._file}.1")  # noqa: PTH105 - importing pathlib would double the start-up time of this program
        except OSError:
            return
        os.close(self._descriptor)
        self._descriptor = None

    def _count_lost(self, lost: bytes) -> None:
        if lost:
            self._skips_to_newline = not lost.endswith(b"\n")
            self._lost += lost.count(b"\n") + self._skips_to_newline

    def _lost_lines_entry(self) -> bytes:
        entry = {"count": self._lost, "cause": self._cause, "event": "log lines lost", "level": "warning",
                 "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}  # fmt: skip
        return (b"\n" if self._ends_mid_line else b"") + json.dumps(entry).encode() + b"\n"


def main(file: str, max_bytes: int) -> None:
    """Write until the end of standard input; ignore signals that a platform sends to all processes of a service."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    log = RotatingLog(file, max_bytes)
    while block := os.read(STANDARD_INPUT, BLOCK):
        log.write(block)
    log.write(b"")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
