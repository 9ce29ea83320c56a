"""The local supervisor, which runs the gateway and the connector as processes, mail catcher and cron as threads."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from soundlift.common.auth.gateway_login import login_headers
from soundlift.common.errors import Unavailable
from soundlift.common.settings import Settings
from soundlift.local.child import Child
from soundlift.local.cron import Cron
from soundlift.local.error_report import ErrorReport
from soundlift.local.gateway_health import is_healthy
from soundlift.local.mail_catcher import MailCatcher
from soundlift.local.stack import read_stack
from soundlift.local.terminal import print_message

TICK_SECONDS = 0.1
START_SECONDS = 60
STOP_SECONDS = 20
EXPLAIN_SECONDS = 2.0
CONTINUED = "A conversion that is not finished by then continues at the next start."
REFUSAL = "soundlift: "
SPARE_THREADS = 16  # for health checks, /system, and 429 responses at a concurrency limit
GATEWAY = [
    "soundlift.local.gateway_process",
    *("-c", "python:soundlift.common.web.gunicorn_config"),
    "soundlift.local.gateway:gateway()",
]
CONNECTOR = ["soundlift.connector"]


class Supervisor:
    """The processes and threads of Soundlift, kept running until Ctrl-C or SIGTERM; a second signal kills them.

    If the supervisor itself is killed, the pipe that it holds open is closed, and its children end.
    """

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        catcher: MailCatcher | None,
        *,
        start_seconds: float = START_SECONDS,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._catcher = catcher
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._cron = Cron(settings.gateway_url, login_headers(settings))
        self._children: list[Child] = []
        self._lifeline, self._lifeline_write_end = os.pipe()
        self._stop_signals = 0
        self._explain_at = float("inf")

    def run(self, greeting: str) -> None:
        """Start everything, print the greeting, and return when everything has stopped.

        Raises Unavailable if the gateway does not start.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._count_signal)
        errors = ErrorReport(self._log("gateway"))
        try:
            self._start_gateway()
            self._add("connector", CONNECTOR)
            self._cron.start()
            print_message(greeting)
            while not self._stop_signals:
                self._supervise_children()
                errors.update()
                time.sleep(TICK_SECONDS)
        finally:
            self._stop()
            errors.close()

    def _count_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_signals += 1

    def _add(self, name: str, module: Sequence[str]) -> Child:
        arguments = [sys.executable, "-P", "-m", *module]  # -P: never import from the user's current folder
        self._children.append(Child(name, arguments, self._environment, lifeline=self._lifeline, log=self._log(name)))
        return self._children[-1]

    def _log(self, name: str) -> Path:
        return self._settings.soundlift_data / "logs" / f"{name}.log"

    def _start_gateway(self) -> None:
        gateway = self._add("gateway", [*GATEWAY, "--threads", str(gateway_threads(self._settings))])
        deadline = time.monotonic() + self._start_seconds
        while not self._stop_signals and not is_healthy(self._settings.gateway_url):
            if not gateway.running or time.monotonic() > deadline:
                raise Unavailable(_refusal(gateway.log) or f"The gateway did not start; see its log, {gateway.log}.")
            time.sleep(TICK_SECONDS)

    def _supervise_children(self) -> None:
        for child in self._children:
            child.supervise()

    def _stop(self) -> None:
        """Stop the connector, so that no new work starts, then the gateway; kill what does not exit in time."""
        print_message("Stopping. Press Ctrl-C again to stop immediately.")
        self._cron.stop()
        self._explain_at = time.monotonic() + EXPLAIN_SECONDS
        for child in reversed(self._children):
            child.terminate()
            self._wait_for([child], self._settings.drain_seconds)
        self._wait_for(self._children, self._stop_seconds)
        for child in self._children:
            child.kill()
            child.close_log()
        if self._catcher:
            self._catcher.stop()

    def _wait_for(self, children: Sequence[Child], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while any(child.running for child in children) and time.monotonic() < deadline and self._stop_signals < 2:
            if time.monotonic() > self._explain_at:
                self._explain_at = float("inf")
                print_message(self._explanation())
            time.sleep(TICK_SECONDS)

    def _explanation(self) -> str:
        seconds = len(self._children) * self._settings.drain_seconds + self._stop_seconds
        return f"Waiting for requests and conversions in progress, at most {seconds:.0f} s. {CONTINUED}"


def gateway_threads(settings: Settings) -> int:
    """Return the number of the gateway's threads.

    Each function has its own concurrency limit, so slow requests to one leave enough threads for the others.
    """
    return len(read_stack(settings.stack_file)) * settings.threads + SPARE_THREADS


def _refusal(log: Path) -> str | None:
    """Return the sentence with which a function refused to start, if it is the last line of the gateway's log."""
    try:
        last = log.read_text(errors="replace").rstrip().rpartition("\n")[2]
    except OSError:
        return None
    return last.removeprefix(REFUSAL) if last.startswith(REFUSAL) else None
