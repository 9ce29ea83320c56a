"""Runs a supervisor in this process, over children that stand in for gateway and connector and keep a journal."""

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
from soundlift.common.auth.gateway_login import user_of
from soundlift.common.settings import Settings
from soundlift.local.environment import environment_of
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
    """One run of a supervisor in the main thread, which a test looks at and tells to stop from another."""

    def __init__(self, folder: Path, options: dict[str, str]) -> None:
        self._journal = folder / "journal"
        self._journal.touch()
        (folder / "logs").mkdir()
        (folder / "stack.yml").write_text(STACK)
        # Python finds the stand-ins before the programs that they stand in for.
        own = {"PYTHONPATH": str(STAND_INS), "PYTHONSAFEPATH": "1", "JOURNAL": str(self._journal)}
        own |= {"STACK_FILE": str(folder / "stack.yml"), "THREADS": "5", "DRAIN_SECONDS": LONG}
        environ = {**os.environ, **own, **options}
        self.environment = environment_of(environ, host="127.0.0.1", port=free_port(), data=folder)
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
        """Run until what happens meanwhile is over, with the terminal's lines in the journal, too."""
        supervisor = Supervisor(self.settings, self.environment, catcher, **seconds)
        with self._journal.open("a") as terminal, redirect_stdout(terminal), ThreadPoolExecutor(1) as pool:
            looking = pool.submit(self._look, meanwhile, number) if meanwhile else None
            try:
                supervisor.run(GREETING)
            finally:
                self._over.set()
        if looking:
            looking.result()

    @property
    def journal(self) -> list[str]:
        """Return all lines but those of cron's questions, which come at any time."""
        return [line for line in self._journal.read_text().splitlines() if "/system/functions" not in line]

    def see(self, line: str, times: int = 1) -> None:
        """Wait until the journal has a line so many times."""
        seen = lambda: self._journal.read_text().splitlines().count(line) >= times  # noqa: E731
        wait_for(lambda: seen() or self._over.is_set(), f"there is {line!r}")
        assert seen(), self.journal

    def see_cron_ask(self) -> None:
        self.see(answer("/system/functions", user_of(self.settings)["Authorization"]))

    def log(self, name: str) -> list[str]:
        """Return the whole lines of a child's log, which a process of its own writes: it may be behind the journal."""
        file = self.settings.soundlift_data / "logs" / f"{name}.log"
        return file.read_text().rpartition("\n")[0].splitlines() if file.exists() else []

    def starts(self, name: str) -> list[dict[str, Any]]:
        """Return how a child was started, each time."""
        return [json.loads(line) for line in self.log(name) if line.startswith("{")]

    def processes(self) -> list[int]:
        """Return all processes of the children that are there, also those that were left behind."""
        starts = [*self.starts("gateway"), *self.starts("connector")]
        begun = {start[key] for start in starts for key in ("pid", "left") if start[key]}
        return sorted(begun & living_processes().keys())

    def _look(self, meanwhile: Callable[[], object], number: signal.Signals) -> None:
        try:
            meanwhile()
        finally:
            tell(number)


def answer(path: str, login: str = "none", status: int | str = 200) -> str:
    """Return the journal's line about an answer of the gateway; no connection may stay open for another question."""
    return f"gateway answers {status} to GET {path}, login: {login}, connection: close"


def tell(number: signal.Signals = signal.SIGTERM) -> None:
    """Tell the supervisor to stop, as the terminal or the platform does."""
    os.kill(os.getpid(), number)
