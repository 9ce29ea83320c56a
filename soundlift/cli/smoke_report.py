"""Prints a line for each step of a smoke test, and remembers whether one failed."""

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
    """A step that failed, after its line has been printed."""


class CheckFailed(ClientError):
    """An answer that came, but is not what a working deployment gives."""


@dataclass
class Note:
    """What is worth knowing about a step that went well."""

    text: str = ""


class Report:
    """The lines of a smoke test: seconds that the step took, its name, and `ok` or `FAILED: why; what to do`."""

    def __init__(self) -> None:
        self.failed = False

    @contextmanager
    def step(self, name: str, advice: str) -> Iterator[Note]:
        """Run one step, and print its line; raises StepFailed, with the advice in the line."""
        began = time.monotonic()
        note = Note()
        try:
            yield note
        except (ClientError, SoundliftError, OSError, LookupError, TypeError, ValueError) as error:
            self.failed = True
            _print(name, began, f"FAILED: {error_text(error)}; {advice}.")
            raise StepFailed(error_text(error)) from None
        except (KeyboardInterrupt, SystemExit):
            _print(name, began, "stopped")
            raise
        _print(name, began, f"ok: {note.text}" if note.text else "ok")


def _print(name: str, began: float, outcome: str) -> None:
    click.echo(f"{time.monotonic() - began:6.2f} s  {name:<18}  {outcome}")
