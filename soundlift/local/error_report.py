"""Errors of the functions, shown at the terminal of `up`: the person who sees a refusal may not see the log."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import BinaryIO

from soundlift.common.printable import escaped
from soundlift.local.function_logs import complete_lines, is_rotated
from soundlift.local.terminal import print_message

LEVELS = ("warning", "error")
REPEAT_SECONDS = 60.0
MAX_REMEMBERED = 100
MAX_LENGTH = 400


class ErrorReport:
    """The warnings and errors that are appended to a log from now on; each is printed at most once a minute."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._file: BinaryIO | None = None
        self._printed_at: dict[str, float] = {}
        if self._open():
            assert self._file is not None
            self._file.seek(0, os.SEEK_END)

    def update(self) -> None:
        """Print what has been logged since the last call."""
        if not self._open():
            return
        assert self._file is not None
        rotated = is_rotated(self._log, self._file)
        for line in complete_lines(self._file):
            if text := error_sentence(line):
                self._print(text)
        if rotated:
            self.close()

    def close(self) -> None:
        """Close the log."""
        if self._file:
            self._file.close()
            self._file = None

    def _open(self) -> bool:
        if self._file is None:
            try:
                self._file = self._log.open("rb")
            except OSError:
                return False
        return True

    def _print(self, text: str) -> None:
        now = time.monotonic()
        if now - self._printed_at.get(text, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return
        if len(self._printed_at) >= MAX_REMEMBERED:
            self._printed_at.clear()
        self._printed_at[text] = now
        print_message(text)


def error_sentence(line: bytes) -> str | None:
    """Return what a line of the log says about a function's error; None for any other line."""
    try:
        entry = json.loads(line)
        if entry["level"] not in LEVELS:
            return None
        function, text = entry["function"], str(entry.get("detail") or entry["event"])
    except (ValueError, TypeError, KeyError):
        return None
    cause = f" ({entry['cause']})" if entry.get("cause") else ""
    sentence = f"{function}: {text.rstrip('.')}{cause}."
    return escaped(" ".join(sentence.split()))[:MAX_LENGTH]
