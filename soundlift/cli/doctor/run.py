"""Runs checks, all at the same time, each for a limited time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from queue import Empty, SimpleQueue
from threading import Thread

from soundlift.cli.doctor.finding import Check, Finding, failed
from soundlift.cli.error_text import error_text
from soundlift.common.errors import SettingError, SoundliftError
from soundlift.common.services import Services


def run_checks(checks: Iterable[Check], services: Services, *, seconds: float) -> Iterator[Finding]:
    """Yield the findings of all checks in their order; all together take at most about `seconds`."""
    running = [_RunningCheck(check, services) for check in checks]
    deadline = time.monotonic() + seconds
    for check in running:
        yield from check.findings(deadline, seconds)


class _RunningCheck:
    """A check in a thread of its own, which is left behind if it hangs."""

    def __init__(self, check: Check, services: Services) -> None:
        self._check = check
        self._findings: SimpleQueue[Finding | None] = SimpleQueue()
        Thread(target=self._run, args=(services,), name=f"doctor-{check.part}", daemon=True).start()

    def findings(self, deadline: float, seconds: float) -> Iterator[Finding]:
        try:
            while finding := self._findings.get(timeout=max(0.0, deadline - time.monotonic())):
                yield finding
        except Empty:
            yield failed(self._check.part, f"no answer within {seconds:g} s", self._check.advice)

    def _run(self, services: Services) -> None:
        part, advice = self._check.part, self._check.advice
        try:
            for finding in self._check.run(services):
                self._findings.put(finding)
        except SettingError as error:  # which says itself what the setting must be
            self._findings.put(failed(part, error_text(error).rstrip("."), ""))
        except (SoundliftError, OSError) as error:
            self._findings.put(failed(part, error_text(error), advice))
        except Exception as error:
            self._findings.put(failed(part, f"unexpected error ({type(error).__name__}: {error})", advice))
        self._findings.put(None)
