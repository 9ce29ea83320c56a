"""Errors as one sentence for a terminal."""

from __future__ import annotations

import re
import sys

import click

from soundlift.client import ClientError, ConnectionFailed
from soundlift.common.errors import SoundliftError
from soundlift.common.printable import escaped
from soundlift.local.program_name import runnable
from soundlift.local.terminal import wrap

LOCAL = re.compile(r"https?://(127\.|localhost\b|\[::1\])")
SUGGESTION = re.compile(r"\((Did you mean [^()]*\?)\)$")  # of click, at the end of a message
START_SERVER = "Start it with `soundlift up`, or set SOUNDLIFT_URL"
CHECK_ADDRESS = "Check the address, which is set by --url, SOUNDLIFT_URL or the profile"


def print_error(error: Exception) -> None:
    """Print an error in the one style of all commands: the program, a colon, and a sentence."""
    click.echo(wrap(f"soundlift: {runnable(error_text(error) + _advice(error))}.", sys.stderr), err=True)


def error_text(error: Exception) -> str:
    """Return what happened, with its cause if one is known, in one line without a final full stop."""
    match error:
        case click.UsageError():
            message = SUGGESTION.sub(r"\1", error.format_message())
            text = f"{message}{'' if message.endswith(('.', '?')) else '.'}{_help_of(error)}"
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
    return escaped(" ".join(text.split())).rstrip(".")


def _help_of(error: click.UsageError) -> str:
    """Return the sentence that names the help of the command that was misused."""
    context, names = error.ctx, ["--help"]
    while context and context.parent:
        names.insert(0, context.info_name or "")
        context = context.parent
    return f" See `{' '.join(['soundlift', *names])}`."


def _advice(error: Exception) -> str:
    """Return how to start the server, if there is none at an address of this machine."""
    if isinstance(error, ConnectionFailed) and error.unsent:
        local = LOCAL.search(error.detail)
        return f". {START_SERVER if local else CHECK_ADDRESS}"
    return ""
