"""The log lines of one function, taken from the gateway's log, which contains those of all functions."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class LogLine:
    """A line of the log, and when it was written."""

    text: str
    written_at: datetime


def function_lines(
    function: str, log: Path, *, since: datetime | None, last: int | None, follow: Callable[[], bool]
) -> Iterator[LogLine]:
    """Yield a function's lines, oldest first: the `last` ones, or all, then new ones while `follow` returns True."""
    existing: deque[LogLine] | None = deque(maxlen=last)
    for text in _lines(log, follow):
        if text is None:
            yield from existing or ()
            existing = None
        elif (line := _parse(function, text)) and (since is None or line.written_at >= since):
            if existing is None:
                yield line
            else:
                existing.append(line)


def _parse(function: str, text: bytes) -> LogLine | None:
    """Return a line of the function's log; None if it is another function's, or not JSON, such as a traceback."""
    try:
        entry = json.loads(text)
        if entry["function"] != function:
            return None
        return LogLine(text.decode().rstrip("\n"), datetime.fromisoformat(entry["timestamp"]))
    except (ValueError, TypeError, KeyError):
        return None


def _lines(log: Path, follow: Callable[[], bool]) -> Iterator[bytes | None]:
    """Yield the lines of the previous and the current log, then None, then new lines, across rotations."""
    try:
        file = log.open("rb")
    except FileNotFoundError:
        yield None
        return
    with suppress(FileNotFoundError), log.with_name(f"{log.name}.1").open("rb") as previous:
        if not os.path.samestat(os.fstat(previous.fileno()), os.fstat(file.fileno())):
            yield from previous
    try:
        yield from complete_lines(file)
        yield None
        while follow():
            rotated = is_rotated(log, file)
            yield from complete_lines(file)
            if rotated:
                file.close()
                file = log.open("rb")
            else:
                time.sleep(POLL_SECONDS)
    finally:
        file.close()


def complete_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the complete lines from the current position on, and seek back to the start of an incomplete one."""
    while (line := file.readline()).endswith(b"\n"):
        yield line
    file.seek(-len(line), os.SEEK_CUR)


def is_rotated(log: Path, file: BinaryIO) -> bool:
    """Return whether another file has taken the log's name; during the rotation, no file has it."""
    try:
        return not os.path.samestat(log.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
