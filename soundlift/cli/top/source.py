"""A server that is asked again and again, in a thread, so that one that does not answer holds up nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Generic, TypeVar

from soundlift.cli.error_text import error_text
from soundlift.common.errors import SoundliftError

Value = TypeVar("Value")
SLOW_SECONDS = 5.0


@dataclass(frozen=True)
class Reading(Generic[Value]):
    """The last answer of a server, or why there is none."""

    value: Value | None
    error: str | None


class Source(Generic[Value]):
    """The answers of one server; `latest` is the last one."""

    def __init__(self, name: str, read: Callable[[], Value]) -> None:
        self._name = name
        self._read = read
        self._latest: Reading[Value] = Reading(None, "no answer yet")
        self._asked_at: float | None = None  # while the server has not answered
        self._answered = Event()

    def start(self, seconds: float) -> None:
        """Ask the server every `seconds`."""
        Thread(target=self._keep_asking, args=(seconds,), name=f"top-{self._name}", daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait for the first answer."""
        self._answered.wait(seconds)

    @property
    def latest(self) -> Reading[Value]:
        """Return the last answer; an error, if the server has not answered the last question for SLOW_SECONDS."""
        latest, asked_at = self._latest, self._asked_at
        if asked_at is None or latest.error or (waited := time.monotonic() - asked_at) <= SLOW_SECONDS:
            return latest
        return Reading(latest.value, f"no answer for {waited:.0f} s")

    def _keep_asking(self, seconds: float) -> None:
        while True:
            self._asked_at = time.monotonic()
            try:
                self._latest = Reading(self._read(), None)
            except (SoundliftError, OSError) as error:
                self._latest = Reading(None, error_text(error))
            self._asked_at = None
            self._answered.set()
            time.sleep(seconds)
