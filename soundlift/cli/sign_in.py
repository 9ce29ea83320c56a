"""Gives a command the options that say which deployment it uses, and as whom."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from soundlift.client import Client

OPTIONS = (
    click.option(
        "--url",
        envvar="SOUNDLIFT_URL",
        default="http://127.0.0.1:8080",
        show_default=True,
        show_envvar=True,
        help="Where the functions are.",
    ),
    click.option("--email", envvar="SOUNDLIFT_EMAIL", show_envvar=True, help="Who you are."),
    click.option("--password", envvar="SOUNDLIFT_PASSWORD", show_envvar=True, help="Better given by prompt."),
    click.option("--token", envvar="SOUNDLIFT_TOKEN", show_envvar=True, help="Instead of address and password."),
)


def sign_in_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which gets url, email, password and token."""

    @wraps(command)
    def with_options(**values: Any) -> None:
        command(**values)

    for option in reversed(OPTIONS):
        with_options = option(with_options)
    return with_options


def client_of(url: str, email: str | None, password: str | None, token: str | None) -> Client:
    """Return a client that has not signed in yet; asks a person for what is missing.

    Raises UsageError where there is nobody to ask.
    """
    if not token and not (email and password):
        if not sys.stdin.isatty():
            raise click.UsageError("Say who you are: SOUNDLIFT_TOKEN, or SOUNDLIFT_EMAIL and SOUNDLIFT_PASSWORD.")
        email = email or click.prompt("E-mail")
        password = password or click.prompt("Password", hide_input=True)
    return Client(url, token=token, email=email, password=password)
