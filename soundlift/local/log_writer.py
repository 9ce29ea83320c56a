"""Writes its standard input to a log that is rotated by size: `python log_writer.py FILE LARGEST`.

It is a process of its own, between a child's output and its log. A thread of the supervisor would do the same, but a
supervisor that is stopped (Ctrl-Z) would block its children once the pipe is full, and one that is killed would break
the pipe while they still finish their work. This process goes on until the last of them has closed the pipe. A file
that is copied and then truncated needs no pipe, but loses the lines that are written in between.
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
    """A log of at most about `largest` bytes, and the one before it, FILE.1; both consist of whole lines.

    Lines that cannot be written, because the disk is full for one, are lost. They are counted, and the log says how
    many they were as soon as it can be written again.
    """

    def __init__(self, file: str, largest: int) -> None:
        self._file = file
        self._largest = largest
        self._descriptor: int | None = None
        self._size = 0
        self._ends_in_line = False
        self._lost = 0
        self._lost_beginning = False  # what comes next is the rest of a line that is lost
        self._cause = ""

    def write(self, block: bytes) -> None:
        """Append a block, which may begin and end within a line; never raises OSError."""
        if self._lost_beginning:
            _, newline, block = block.partition(b"\n")
            self._lost_beginning = not newline
        if self._lost and not self._append(self._note()):
            self._lost = 0
        if self._opened() and self._size + len(block) > self._largest:
            end = block.find(b"\n") + 1 if self._ends_in_line else 0
            self._count(self._append(block[:end]))
            block = block[end:]
            if block:
                self._rotate()
        self._count(self._append(block))

    def _append(self, data: bytes) -> bytes:
        """Write, and return what could not be written."""
        while data and self._opened():
            assert self._descriptor is not None
            try:
                written = os.write(self._descriptor, data)
            except OSError as error:
                self._cause = str(error.strerror)
                break
            self._size += written
            self._ends_in_line = data[written - 1 : written] != b"\n"
            data = data[written:]
        return data

    def _opened(self) -> bool:
        if self._descriptor is None:
            try:
                descriptor = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            except OSError as error:
                self._cause = str(error.strerror)
                return False
            self._descriptor = descriptor
            self._size = os.fstat(descriptor).st_size
            self._ends_in_line = self._size > 0 and os.pread(descriptor, 1, self._size - 1) != b"\n"
        return True

    def _rotate(self) -> None:
        """Make this log the one before; within a line, or where that cannot be done, go on with it."""
        if self._descriptor is None or self._ends_in_line or not self._size:
            return
        try:
            os.replace(self._file, f"{self._file}.1")  # noqa: PTH105 - pathlib would double the time that this takes to start
        except OSError:
            return
        os.close(self._descriptor)
        self._descriptor = None

    def _count(self, lost: bytes) -> None:
        if lost:
            self._lost_beginning = not lost.endswith(b"\n")
            self._lost += lost.count(b"\n") + self._lost_beginning

    def _note(self) -> bytes:
        note = {"count": self._lost, "cause": self._cause, "event": "log lines lost", "level": "warning",
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}  # fmt: skip
        return (b"\n" if self._ends_in_line else b"") + json.dumps(note).encode() + b"\n"


def main(file: str, largest: int) -> None:
    """Write until the end of standard input, whatever signals a platform sends to all processes of a service."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    log = RotatingLog(file, largest)
    while block := os.read(STANDARD_INPUT, BLOCK):
        log.write(block)
    log.write(b"")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
