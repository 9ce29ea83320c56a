"""The commands `soundlift login`, `logout` and `whoami`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from soundlift.cli.exit_codes import NotSignedIn
from soundlift.cli.profiles import DEFAULT_PROFILE, Profile, all_profiles
from soundlift.cli.shared_session import SharedSession
from soundlift.cli.sign_in import (
    account_options,
    create_client,
    deployment_options,
    profile_url,
    prompt_email,
    prompt_password,
    read_password,
    require_server,
    sign_in_options,
)
from soundlift.common.printable import escaped

Command = Callable[..., None]


def _with(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds options in their order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command()
@_with(*deployment_options, *account_options)
def login(
    url: str | None, profile: Profile, email: str | None, password: str | None, password_file: Path | None
) -> None:
    """Sign in once for all further commands.

    The session is saved in a file that only you can read, and renewed by itself. Each profile is a deployment.
    """
    saved = profile.load()
    url = url or profile_url(profile)
    password = read_password(password_file) if password_file else password
    if not (email and password) and not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for a password: use --email and --password-file.")
    require_server(url)
    email = email or prompt_email(saved.email if saved and saved.url == url else None)
    SharedSession(profile, url).begin(email, password or prompt_password())
    click.echo(f"Signed in to {url} as {email}{_named(profile)}.")


@click.command()
@_with(deployment_options[1])
def logout(profile: Profile) -> None:
    """End the session here and at the server."""
    session = SharedSession(profile, profile_url(profile))
    saved = session.end()
    if saved is None:
        raise NotSignedIn(f"You are not signed in{_named(profile)}; there is nothing to do")
    click.echo(f"Signed out of {saved.url}{_named(profile)}.")


@click.command()
@click.option("--all", "everything", is_flag=True, help="List all profiles instead, without asking their servers.")
@sign_in_options
def whoami(everything: bool, url: str, email: str | None, password: str | None, token: str | None) -> None:
    """Show your account and deployment.

    The account is the one that further commands use, as the server reports it.
    """
    if everything:
        _list_profiles()
        return
    with create_client(url, email, password, token) as client:
        claims = client.validate()
    click.echo(f"{claims.get('username')}{'  admin' if claims.get('admin') else ''}")
    if scopes := claims.get("scopes"):
        click.echo(escaped(f"API key {claims.get('name')}: {', '.join(map(str, scopes))}"))
    click.echo(url)


def _list_profiles() -> None:
    for profile in all_profiles():
        if saved := profile.load():
            ended = "" if saved.refresh_token or saved.access_token else "  signed out"
            click.echo(f"{profile.name}: {saved.email}{ended}")
            click.echo(f"  {saved.url}")


def _named(profile: Profile) -> str:
    return "" if profile.name == DEFAULT_PROFILE else f" (profile {profile.name})"
