"""Runs Soundlift on one machine: gateway and connector as processes, mail catcher and cron as threads beside them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from types import FrameType

from soundlift.common.auth.gateway_login import user_of
from soundlift.common.errors import Unavailable
from soundlift.common.settings import Settings
from soundlift.local.child import Child
from soundlift.local.cron import Cron
from soundlift.local.gateway_health import is_healthy
from soundlift.local.mail_catcher import MailCatcher
from soundlift.local.stack import read_stack
from soundlift.local.terminal import say

TICK_SECONDS = 0.1
STARTING_SECONDS = 60
SECONDS_TO_END = 20
SPARE_THREADS = 16  # for health, the list of functions, and answering 429 at a concurrency limit
GATEWAY = ["gunicorn", "-c", "python:soundlift.common.web.gunicorn_config", "soundlift.local.gateway:gateway()"]
CONNECTOR = ["soundlift.connector"]


class Supervisor:
    """Keeps all parts going until it is told to stop, by Ctrl-C or SIGTERM; told twice, it stops at once.

    Should it be killed itself, the pipe that it holds open closes, and its children end by themselves.
    """

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        catcher: MailCatcher | None,
        *,
        starting_seconds: float = STARTING_SECONDS,
        seconds_to_end: float = SECONDS_TO_END,
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._catcher = catcher
        self._starting_seconds = starting_seconds
        self._seconds_to_end = seconds_to_end
        self._cron = Cron(settings.gateway_url, user_of(settings))
        self._children: list[Child] = []
        self._lifeline, self._held = os.pipe()
        self._told = 0

    def run(self, greeting: str) -> None:
        """Start everything, say the greeting, and return when everything has stopped again.

        Raises Unavailable where the gateway does not start.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._tell)
        try:
            self._start_gateway()
            self._add("connector", CONNECTOR)
            self._cron.start()
            say(greeting)
            while not self._told:
                self._look_after_children()
                time.sleep(TICK_SECONDS)
        finally:
            self._stop()

    def _tell(self, number: int, frame: FrameType | None) -> None:
        self._told += 1

    def _add(self, name: str, module: Sequence[str]) -> Child:
        log = self._settings.soundlift_data / "logs" / f"{name}.log"
        arguments = [sys.executable, "-m", *module]
        self._children.append(Child(name, arguments, self._environment, lifeline=self._lifeline, log=log))
        return self._children[-1]

    def _start_gateway(self) -> None:
        # Each function has its own limit on requests at work, so slow requests to one leave the others their threads.
        threads = len(read_stack(self._settings.stack_file)) * self._settings.threads + SPARE_THREADS
        gateway = self._add("gateway", [*GATEWAY, "--threads", str(threads)])
        deadline = time.monotonic() + self._starting_seconds
        while not self._told and not is_healthy(self._settings.gateway_url):
            if not gateway.running or time.monotonic() > deadline:
                raise Unavailable(f"The gateway does not start; {gateway.log} says why.")
            time.sleep(TICK_SECONDS)

    def _look_after_children(self) -> None:
        for child in self._children:
            child.look_after()

    def _stop(self) -> None:
        """Stop the connector, so that nothing new begins, then the gateway, and kill what does not end in time."""
        say("Stopping. Ctrl-C again stops at once.")
        self._cron.stop()
        for child in reversed(self._children):
            child.terminate()
            self._wait_for([child], self._settings.drain_seconds)
        self._wait_for(self._children, self._seconds_to_end)
        for child in self._children:
            child.kill()
            child.close_log()
        if self._catcher:
            self._catcher.stop()

    def _wait_for(self, children: Sequence[Child], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while any(child.running for child in children) and time.monotonic() < deadline and self._told < 2:
            time.sleep(TICK_SECONDS)
