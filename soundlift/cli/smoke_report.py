"""The report of a smoke test, one printed line for each step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from soundlift.cli.error_text import error_text
from soundlift.client import ClientError
from soundlift.common.errors import SoundliftError


class StepFailed(ClientError):
    """A failed step, whose line has been printed."""


class CheckFailed(ClientError):
    """A check that the deployment did not pass."""


@dataclass
class Note:
    """Details of a successful step."""

    text: str = ""


class Report:
    """A printed report: for each step its duration in seconds, its name, and `ok` or `FAILED: reason; what to do`."""

    def __init__(self) -> None:
        self.failed = False

    @contextmanager
    def step(self, name: str, advice: str) -> Iterator[Note]:
        """Run one step, and print its line; if it fails, the line includes the advice, and StepFailed is raised."""
        started = time.monotonic()
        note = Note()
        try:
            yield note
        except (ClientError, SoundliftError, OSError, LookupError, TypeError, ValueError) as error:
            self.failed = True
            _print(name, started, f"FAILED: {error_text(error)}; {advice}.")
            raise StepFailed(error_text(error)) from None
        except (KeyboardInterrupt, SystemExit):
            _print(name, started, "stopped")
            raise
        _print(name, started, f"ok: {note.text}" if note.text else "ok")


def _print(name: str, started: float, outcome: str) -> None:
    click.echo(f"{time.monotonic() - started:6.2f} s  {name:<18}  {outcome}")
