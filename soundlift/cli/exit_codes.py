"""The exit codes of the command, one for each kind of cause; docs/cli.md documents them."""

from __future__ import annotations

from enum import IntEnum
from http import HTTPStatus

import click

from soundlift.client import ApiError, ConnectionFailed


class ExitCode(IntEnum):
    """The exit codes of every subcommand."""

    OK = 0
    FAILED = 1
    """A conversion failed, or something on this machine did: a file, a setting, the data folder."""
    USAGE = 2
    CANNOT_CONNECT = 3
    """No server answered, or the connection broke."""
    SIGN_IN = 4
    """There is no session, or the server refused the password, the token or the session."""
    REFUSED = 5
    """The server refused the request for another reason."""
    INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class NotSignedIn(click.ClickException):
    """A command that needs an account, and has none."""


def exit_code(error: BaseException) -> ExitCode:
    """Return the exit code for the error that ended a command."""
    match error:
        case click.UsageError():
            return ExitCode.USAGE
        case ConnectionFailed():
            return ExitCode.CANNOT_CONNECT
        case ApiError(status=HTTPStatus.UNAUTHORIZED) | NotSignedIn():
            return ExitCode.SIGN_IN
        case ApiError():
            return ExitCode.REFUSED
        case click.Abort() | KeyboardInterrupt():
            return ExitCode.INTERRUPTED
    return ExitCode.FAILED
