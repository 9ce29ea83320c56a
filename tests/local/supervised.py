"""A supervisor that runs in this process, with stand-ins for gateway and connector that record events in a journal."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from threading import Event
from typing import Any

from devservers.local_stack import living_processes
from devservers.ports import free_port
from devservers.waiting import wait_for
from soundlift.common.auth.gateway_login import login_headers
from soundlift.common.settings import Settings
from soundlift.local.environment import stack_environment
from soundlift.local.mail_catcher import MailCatcher
from soundlift.local.supervisor import Supervisor

GREETING = "It is ready."
STAND_INS = Path(__file__).parent / "stand_ins"
LONG = "600"  # seconds, longer than any test waits
STACK = """
functions:
  one: {handler: ./functions/one, image: one}
  two: {handler: ./functions/two, image: two}
"""


class Run:
    """One run of a supervisor in the main thread, which a test observes and stops from another thread."""

    def __init__(self, folder: Path, options: dict[str, str]) -> None:
        self._journal = folder / "journal"
        self._journal.touch()
        (folder / "logs").mkdir()
        (folder / "stack.yml").write_text(STACK)
        # With this path, Python imports the stand-ins instead of the real modules.
        variables = {"PYTHONPATH": str(STAND_INS), "PYTHONSAFEPATH": "1", "JOURNAL": str(self._journal)}
        variables |= {"STACK_FILE": str(folder / "stack.yml"), "THREADS": "5", "DRAIN_SECONDS": LONG}
        environ = {**os.environ, **variables, **options}
        self.environment = stack_environment(environ, host="127.0.0.1", port=free_port(), data=folder)
        self.settings = Settings.from_environment(self.environment)
        self._over = Event()

    def __call__(
        self,
        meanwhile: Callable[[], object] | None = None,
        *,
        number: signal.Signals = signal.SIGTERM,
        catcher: MailCatcher | None = None,
        **seconds: float,
    ) -> None:
        """Run until `meanwhile` has returned; lines printed to the terminal go to the journal too."""
        supervisor = Supervisor(self.settings, self.environment, catcher, **seconds)
        with self._journal.open("a") as terminal, redirect_stdout(terminal), ThreadPoolExecutor(1) as pool:
            observer = pool.submit(self._observe, meanwhile, number) if meanwhile else None
            try:
                supervisor.run(GREETING)
            finally:
                self._over.set()
        if observer:
            observer.result()

    @property
    def journal(self) -> list[str]:
        """Return all lines except those about cron's requests, which arrive at any time."""
        return [line for line in self._journal.read_text().splitlines() if "/system/functions" not in line]

    def wait_for_line(self, line: str, times: int = 1) -> None:
        """Wait until the journal contains a line at least `times` times."""
        found = lambda: self._journal.read_text().splitlines().count(line) >= times  # noqa: E731
        wait_for(lambda: found() or self._over.is_set(), f"there is {line!r}")
        assert found(), self.journal

    def wait_for_cron(self) -> None:
        self.wait_for_line(answer("/system/functions", login_headers(self.settings)["Authorization"]))

    def log(self, name: str) -> list[str]:
        """Return the complete lines of a log; its writer is a separate process, so it may lag behind the journal."""
        file = self.settings.soundlift_data / "logs" / f"{name}.log"
        return file.read_text().rpartition("\n")[0].splitlines() if file.exists() else []

    def starts(self, name: str) -> list[dict[str, Any]]:
        """Return what a child logged about each of its starts."""
        return [json.loads(line) for line in self.log(name) if line.startswith('{"pid"')]

    def processes(self) -> list[int]:
        """Return the running processes of the children, including those that they left behind."""
        starts = [*self.starts("gateway"), *self.starts("connector")]
        started = {start[key] for start in starts for key in ("pid", "leftover") if start[key]}
        return sorted(started & living_processes().keys())

    def _observe(self, meanwhile: Callable[[], object], number: signal.Signals) -> None:
        try:
            meanwhile()
        finally:
            send_signal(number)


def answer(path: str, login: str = "none", status: int | str = 200) -> str:
    """Return the journal's line about an answer of the gateway; clients must not keep the connection open."""
    return f"gateway answers {status} to GET {path}, login: {login}, connection: close"


def send_signal(number: signal.Signals = signal.SIGTERM) -> None:
    """Signal the supervisor to stop, as the terminal or the platform does."""
    os.kill(os.getpid(), number)
