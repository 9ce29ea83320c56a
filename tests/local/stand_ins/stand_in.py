"""What the stand-ins for gateway and connector have in common: a journal tells what happens to them, in one order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from threading import Thread
from types import FrameType


class StandIn:
    """A process that tells its log how it was started and takes as long to end as its environment says."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND)
        Thread(target=self._end_with_the_tests, daemon=True).start()
        signal.signal(signal.SIGTERM, self._end)
        left = subprocess.Popen(["sleep", "600"]).pid if self.option("LEAVES_A_PROCESS") else None
        start = {"pid": os.getpid(), "arguments": sys.orig_argv, "environment": dict(os.environ), "left": left}
        self._say(json.dumps(start))
        self.note("begins")

    def option(self, name: str, default: str = "") -> str:
        return os.environ.get(f"{self._name.upper()}_{name}", default)

    def note(self, what: str) -> None:
        os.write(self._journal, f"{self._name} {what}\n".encode())

    def _say(self, line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.note("is told to end")
        time.sleep(float(self.option("ENDS_AFTER", "0")))
        self.note("ends")
        self._say("This is the last line.")
        sys.exit()

    def _end_with_the_tests(self) -> None:
        os.read(int(os.environ["LIFELINE_FD"]), 1)
        os.killpg(0, signal.SIGKILL)
