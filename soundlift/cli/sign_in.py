"""The options of a command that signs in to a deployment."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from soundlift.client import Client

Command = Callable[..., None]
SCHEMES = ("http://", "https://")
EMAIL_HELP = "Email address to sign in with."


def sign_in_options(command: Command) -> Command:
    """Add the options to a command, which is then called with url, email, password and token."""
    return sign_in_options_with(EMAIL_HELP)(command)


def sign_in_options_with(email_help: str) -> Callable[[Command], Command]:
    """Return a decorator like sign_in_options, with another help text for --email."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_options(**values: Any) -> None:
            command(**values)

        decorated: Command = with_options
        for option in reversed(_options(email_help)):
            decorated = option(decorated)
        return decorated

    return decorate


def _options(email_help: str) -> tuple[Callable[[Command], Command], ...]:
    return (
        click.option(
            "--url",
            envvar="SOUNDLIFT_URL",
            default="http://127.0.0.1:8080",
            show_default=True,
            show_envvar=True,
            callback=_require_http,
            help="URL of the deployment.",
        ),
        click.option("--email", envvar="SOUNDLIFT_EMAIL", show_envvar=True, help=email_help),
        click.option(
            "--password",
            envvar="SOUNDLIFT_PASSWORD",
            show_envvar=True,
            help="Password of the account; prompted for if missing.",
        ),
        click.option(
            "--token",
            envvar="SOUNDLIFT_TOKEN",
            show_envvar=True,
            help="Access token to use instead of email and password.",
        ),
    )


def _require_http(_context: click.Context, _option: click.Parameter, url: str) -> str:
    if not url.lower().startswith(SCHEMES):
        raise click.UsageError("--url must begin with http:// or https://, such as https://soundlift.example.org.")
    return url


def create_client(url: str, email: str | None, password: str | None, token: str | None) -> Client:
    """Return a client that has not signed in yet, after prompting for missing credentials.

    Raises UsageError if there is no terminal to prompt on.
    """
    if not token and not (email and password):
        if not sys.stdin.isatty():
            raise click.UsageError(
                "Credentials are missing: set SOUNDLIFT_TOKEN, or SOUNDLIFT_EMAIL and SOUNDLIFT_PASSWORD."
            )
        email = email or click.prompt("Email")
        password = password or click.prompt("Password", hide_input=True)
    return Client(url, token=token, email=email, password=password)
