"""What goes on during a run: cleanup is called, ended processes are started again, and received mails are recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import urllib3

from tests.chaos.outside.mailboxes import read_mails
from tests.chaos.system.running import RunningSystem

CLEANUP_SECONDS = 3.0
POLL_SECONDS = 0.5
MAX_ERROR_LENGTH = 500


class Upkeep:
    """Threads that do so from the beginning to the end of a `with` statement."""

    def __init__(self, system: RunningSystem) -> None:
        self._system = system
        self._ended, self._cleanup_ended = threading.Event(), threading.Event()
        self._seen = 0
        self._threads = [
            threading.Thread(target=self._repeat, args=(work, ended, pause), daemon=True)
            for work, ended, pause in (
                (self._clean_up, self._cleanup_ended, CLEANUP_SECONDS),
                (system.restart_ended, self._ended, POLL_SECONDS),
                (self.record_mails, self._ended, POLL_SECONDS),
            )
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._cleanup_ended.set()
        for thread in self._threads:
            thread.join()
        self.record_mails()

    def stop_cleanup(self) -> None:
        """Call cleanup no longer."""
        self._cleanup_ended.set()

    def record_mails(self) -> None:
        """Record the mails that have arrived since the last call."""
        messages = self._system.messages()
        while self._seen < len(messages):
            message = messages[self._seen]
            self._seen += 1
            for mail in read_mails([message]):
                about = {"job": mail.job, "to": mail.recipient, "outcome": mail.outcome}
                self._system.history.record("mail", **about, message_id=str(message["Message-ID"]))

    def _repeat(self, work: Callable[[], None], ended: threading.Event, pause: float) -> None:
        while not ended.wait(pause):
            try:
                work()
            except (AssertionError, TimeoutError) as error:  # a process does not start, as while its disk is full
                self._system.history.record("upkeep failed", error=str(error)[:MAX_ERROR_LENGTH])

    def _clean_up(self) -> None:
        with suppress(urllib3.exceptions.HTTPError):  # killed, or its servers are away
            self._system.cleanup()
