"""The options of a command that signs in to a deployment, and the client that they lead to."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from soundlift.cli.exit_codes import NotSignedIn
from soundlift.cli.profiles import DEFAULT_PROFILE, Profile
from soundlift.cli.shared_session import SharedSession
from soundlift.client import ApiError, Client, ClientError
from soundlift.client.connection import checked_url

Command = Callable[..., None]
DEFAULT_URL = "http://127.0.0.1:8080"
EMAIL_HELP = "Email address to sign in with."
PROFILE_KEY = "soundlift.profile"
MAX_PASSWORD_FILE_BYTES = 10_000


def sign_in_options(command: Command) -> Command:
    """Add the options to a command, which is then called with url, email, password and token."""
    return sign_in_options_with(EMAIL_HELP)(command)


def sign_in_options_with(email_help: str) -> Callable[[Command], Command]:
    """Return a decorator like sign_in_options, with another help text for --email."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_options(
            url: str | None, profile: Profile, password: str | None, password_file: Path | None, **values: Any
        ) -> None:
            click.get_current_context().meta[PROFILE_KEY] = profile
            command(
                url=url or profile_url(profile),
                password=read_password(password_file) if password_file else password,
                **values,
            )

        decorated: Command = with_options
        for option in reversed((*deployment_options, *_account_options(email_help), token_option)):
            decorated = option(decorated)
        return decorated

    return decorate


def create_client(
    url: str, email: str | None, password: str | None, token: str | None, *, accepts_key: bool = True
) -> Client:
    """Return a client with the token, the email address and password, the API key of the environment, or a session.

    The session is that of `soundlift login`. Without `accepts_key`, the key is not used: the command needs a sign-in.
    Otherwise it prompts for what is missing, once a server has answered; raises NotSignedIn if there is no terminal to
    prompt on.
    """
    if token or (email and password):
        return Client(url, token=token, email=email, password=password)
    if accepts_key and (api_key := os.environ.get("SOUNDLIFT_API_KEY", "").strip()):
        return Client(url, api_key=api_key)
    session = SharedSession(click.get_current_context().meta.get(PROFILE_KEY) or Profile(), url)
    if (saved := session.saved) and email in (None, saved.email):
        return session.client()
    require_server(url)
    if not sys.stdin.isatty():
        key = "SOUNDLIFT_API_KEY, " if accepts_key else ""
        raise NotSignedIn(
            f"You are not signed in to {url}. Run `soundlift login`, or set {key}SOUNDLIFT_TOKEN, or "
            "SOUNDLIFT_EMAIL and SOUNDLIFT_PASSWORD"
        )
    email = email or prompt_email()
    return Client(url, email=email, password=password or prompt_password())


def require_server(url: str) -> None:
    """Raise ClientError if there is no API at an address, so that nobody is asked for a password in vain."""
    try:
        with Client(url, token="none") as client:  # noqa: S106 - a text that the server refuses
            client.validate()
    except ApiError as error:
        if error.status != HTTPStatus.UNAUTHORIZED:
            raise


def profile_url(profile: Profile) -> str:
    """Return the address of a profile's deployment, or the one of `soundlift up`."""
    saved = profile.load()
    return saved.url if saved else DEFAULT_URL


def read_password(file: Path) -> str:
    """Return the first line of a file, or of standard input for `-`."""
    try:
        with click.open_file(str(file), encoding="utf-8") as opened:
            password = str(opened.readline(MAX_PASSWORD_FILE_BYTES)).rstrip("\r\n")
    except UnicodeDecodeError:
        password = ""
    if not password:
        raise click.UsageError(f"The first line of {file} is not a password.")
    return password


def prompt_email(default: str | None = None) -> str:
    """Ask for the address, on standard error, since standard output may be the result of the command."""
    return str(click.prompt("Email", default=default, err=True))


def prompt_password() -> str:
    """Ask for the password on standard error."""
    return str(click.prompt("Password", hide_input=True, err=True))


def _address(_context: click.Context, _option: click.Parameter, url: str | None) -> str | None:
    """Complete an address without a scheme: http for this machine, https for all others."""
    if not url:
        return None
    if "://" not in url:
        url = f"{'http' if _is_this_machine(url) else 'https'}://{url}"
    try:
        return checked_url(url)
    except ClientError as error:
        raise click.UsageError(error.detail) from None


def _is_this_machine(address: str) -> bool:
    try:
        host = urlsplit(f"//{address}").hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


deployment_options: tuple[Callable[[Command], Command], ...] = (
    click.option(
        "--url",
        envvar="SOUNDLIFT_URL",
        show_envvar=True,
        callback=_address,
        help=f"Address of the deployment; default: that of the profile, or {DEFAULT_URL}. Without a scheme: http:// "
        "for this machine, https:// for others.",
    ),
    click.option(
        "--profile",
        envvar="SOUNDLIFT_PROFILE",
        show_envvar=True,
        metavar="NAME",
        default=DEFAULT_PROFILE,
        show_default=True,
        callback=lambda _context, _option, name: Profile(name or DEFAULT_PROFILE),
        help="Profile of `soundlift login`, one for each deployment.",
    ),
)
token_option: Callable[[Command], Command] = click.option(
    "--token",
    envvar="SOUNDLIFT_TOKEN",
    show_envvar=True,
    help="Access token to use instead of email and password. An API key is read from SOUNDLIFT_API_KEY only.",
)


def _account_options(email_help: str) -> tuple[Callable[[Command], Command], ...]:
    return (
        click.option("--email", envvar="SOUNDLIFT_EMAIL", show_envvar=True, help=email_help),
        click.option(
            "--password",
            envvar="SOUNDLIFT_PASSWORD",
            show_envvar=True,
            help="Password of the account; other users of this machine may see it, unlike the next option.",
        ),
        click.option(
            "--password-file",
            type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
            help="File whose first line is the password; - for standard input.",
        ),
    )


account_options = _account_options(EMAIL_HELP)
