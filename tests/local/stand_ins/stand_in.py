"""The common part of the stand-ins for gateway and connector, which record events in one shared journal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from types import FrameType


class StandIn:
    """A process that logs how it was started, and ends after a time or a line of the journal that its options name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND)
        Thread(target=self._exit_with_the_tests, daemon=True).start()
        signal.signal(signal.SIGTERM, self._end)
        leftover = subprocess.Popen(["sleep", "600"]).pid if self.option("LEAVES_A_PROCESS") else None
        start = {"pid": os.getpid(), "arguments": sys.orig_argv, "environment": dict(os.environ), "leftover": leftover}
        self._print(json.dumps(start))
        self.note("begins")

    def option(self, name: str, default: str = "") -> str:
        return os.environ.get(f"{self._name.upper()}_{name}", default)

    def note(self, what: str) -> None:
        os.write(self._journal, f"{self._name} {what}\n".encode())

    def _print(self, line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.note("receives SIGTERM")
        time.sleep(float(self.option("ENDS_AFTER", "0")))
        while self.option("ENDS_AFTER_LINE") not in Path(os.environ["JOURNAL"]).read_text():
            time.sleep(0.02)
        self.note("ends")
        self._print("This is the last line.")
        sys.exit()

    def _exit_with_the_tests(self) -> None:
        os.read(int(os.environ["LIFELINE_FD"]), 1)
        os.killpg(0, signal.SIGKILL)
