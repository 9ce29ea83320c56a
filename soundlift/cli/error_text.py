"""Errors as one sentence for a terminal."""

from __future__ import annotations

import sys

import click

from soundlift.client import ClientError
from soundlift.common.errors import SoundliftError
from soundlift.common.printable import printable
from soundlift.local.program_name import runnable
from soundlift.local.terminal import wrap


def print_error(error: Exception) -> None:
    """Print an error in the one style of all commands: the program, a colon, and a sentence."""
    click.echo(wrap(f"soundlift: {runnable(error_text(error))}.", sys.stderr), err=True)


def error_text(error: Exception) -> str:
    """Return what happened, with its cause if one is known, in one line without a final full stop."""
    match error:
        case click.UsageError():
            text = f"{error.format_message().rstrip('.')}.{_help_of(error)}"
        case click.ClickException():
            text = error.format_message()
        case ClientError():
            text = error.detail
        case SoundliftError():
            cause = error.evidence.get("cause")
            text = f"{error.detail.rstrip('.')} ({cause})" if cause else error.detail
        case OSError():
            text = f"{error.filename or ''}{': ' if error.filename else ''}{error.strerror or error}"
        case _:
            text = f"unexpected response ({error!r})"
    return printable(" ".join(text.split())).rstrip(".")


def _help_of(error: click.UsageError) -> str:
    """Return the sentence that names the help of the command that was misused."""
    names = error.ctx.command_path.split()[1:] if error.ctx and error.ctx.parent else []
    return f" See `{' '.join(['soundlift', *names, '--help'])}`."
