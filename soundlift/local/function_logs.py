"""Finds a function's lines in the log of the gateway, which has those of all functions."""

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

LOOK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True)
class LogLine:
    """A line of the log, and when it was written."""

    text: str
    written_at: datetime


def lines_of(
    function: str, log: Path, *, since: datetime | None, last: int | None, follow: Callable[[], bool]
) -> Iterator[LogLine]:
    """Yield a function's lines, oldest first: the last few, or all, and then new ones while `follow` says so."""
    kept: deque[LogLine] | None = deque(maxlen=last)
    for text in _lines(log, follow):
        if text is None:
            yield from kept or ()
            kept = None
        elif (line := _line_of(function, text)) and (since is None or line.written_at >= since):
            if kept is None:
                yield line
            else:
                kept.append(line)


def _line_of(function: str, text: bytes) -> LogLine | None:
    """Return a line if it is the function's; None for lines that are not JSON, such as tracebacks."""
    try:
        entry = json.loads(text)
        if entry["function"] != function:
            return None
        return LogLine(text.decode().rstrip("\n"), datetime.fromisoformat(entry["timestamp"]))
    except (ValueError, TypeError, KeyError):
        return None


def _lines(log: Path, follow: Callable[[], bool]) -> Iterator[bytes | None]:
    """Yield all lines of a log and of the one before it, then None, and then what is added, also after a rotation."""
    try:
        file = log.open("rb")
    except FileNotFoundError:
        yield None
        return
    with suppress(FileNotFoundError), log.with_name(f"{log.name}.1").open("rb") as before:
        if not os.path.samestat(os.fstat(before.fileno()), os.fstat(file.fileno())):
            yield from before
    try:
        yield from _whole_lines(file)
        yield None
        while follow():
            rotated = _is_rotated(log, file)
            yield from _whole_lines(file)
            if rotated:
                file.close()
                file = log.open("rb")
            else:
                time.sleep(LOOK_AGAIN_SECONDS)
    finally:
        file.close()


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines from here on, and go back to the beginning of one that is not whole yet."""
    while (line := file.readline()).endswith(b"\n"):
        yield line
    file.seek(-len(line), os.SEEK_CUR)


def _is_rotated(log: Path, file: BinaryIO) -> bool:
    """Tell whether another file has the log's name; for a moment, there is none."""
    try:
        return not os.path.samestat(log.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
