"""The command `soundlift user`, which manages accounts."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from soundlift.cli.deployment import account_services
from soundlift.cli.user_limits import limits
from soundlift.common.auth.users import Users, parse_address
from soundlift.common.errors import BadRequest, NotFound
from soundlift.common.services import Services
from soundlift.local.command import data_option
from soundlift.local.program_name import program_name


@click.group()
def user() -> None:
    """Manage accounts."""


@user.command()
@click.argument("email")
@click.option("--admin", is_flag=True, help="Allow this user to see all jobs.")
@click.option("--if-absent", is_flag=True, help="Do nothing if the account exists.")
@data_option
def add(email: str, admin: bool, if_absent: bool, data: Path | None) -> None:
    """Add an account. The password is read from a prompt, or from standard input."""
    address = parse_address(email)
    services = account_services(data, creates=True)
    users = services.users
    if users.find(address):
        if not if_absent:
            raise BadRequest(f"{address} already has an account.")
        click.echo(f"{address} already has an account; nothing was changed.")
        click.echo(f"To change its password, run: {program_name()} user passwd {address}")
        return
    account = users.add(address, services.passwords.hash_new(_new_password()), admin=admin)
    click.echo(f"Added {account.email}.")


@user.command()
@click.argument("email")
@data_option
def passwd(email: str, data: Path | None) -> None:
    """Change the password of an account, end its sessions, and forget its failed sign-ins.

    The new password is read from a prompt, or from standard input. Failed sign-ins are counted by the JWT_SECRET of
    login: without it, they are not forgotten.
    """
    services = account_services(data)
    _require_account(services.users, email)
    services.users.set_password(email, services.passwords.hash_new(_new_password()))
    click.echo(f"Changed the password of {email}.")
    if services.settings.jwt_secret:
        services.sign_in_limits.forget(email)
    else:
        click.echo("Its failed sign-ins still count: without the JWT_SECRET of login, they cannot be found.", err=True)


@user.command("list")
@data_option
def list_(data: Path | None) -> None:
    """List all accounts, and mark admins and disabled accounts."""
    for account in account_services(data).users.list():
        marks = [mark for mark in ("admin", "disabled") if getattr(account, mark)]
        click.echo("  ".join([account.email, *marks]))


@user.command()
@click.argument("email")
@data_option
def promote(email: str, data: Path | None) -> None:
    """Make a user an admin, who sees all jobs."""
    account_services(data).users.set_admin(email, True)
    click.echo(f"{email} is an admin from the next access token on.")


@user.command()
@click.argument("email")
@data_option
def demote(email: str, data: Path | None) -> None:
    """Take the rights of an admin away."""
    services = account_services(data)
    services.users.set_admin(email, False)
    click.echo(f"{email} is no admin any more.")
    _explain_access_tokens(services)


@user.command()
@click.argument("email")
@data_option
def disable(email: str, data: Path | None) -> None:
    """Keep anybody from signing in to an account, and end its sessions. Its jobs continue."""
    services = account_services(data)
    services.users.disable(email)
    click.echo(f"Disabled {email}.")
    _explain_access_tokens(services)


@user.command()
@click.argument("email")
@data_option
def enable(email: str, data: Path | None) -> None:
    """Let a disabled account be signed in to again."""
    account_services(data).users.enable(email)
    click.echo(f"Enabled {email}.")


@user.command()
@click.argument("email")
@data_option
def remove(email: str, data: Path | None) -> None:
    """Remove an account, and end its sessions. Its jobs are kept until they expire."""
    account_services(data).users.remove(email)
    click.echo(f"Removed {email}.")


@user.command("sign-out")
@click.argument("email", required=False)
@click.option("--all", "everybody", is_flag=True, help="End the sessions of all accounts.")
@data_option
def sign_out(email: str | None, everybody: bool, data: Path | None) -> None:
    """End all sessions of an account, on every device."""
    if bool(email) == everybody:
        raise BadRequest("Name an account or use --all.")
    services = account_services(data)
    if email:
        _require_account(services.users, email)
    owner = email.strip().lower() if email else "all accounts"
    ended = services.sessions.end_all(owner) if email else services.sessions.end_everybodys()
    click.echo(f"Ended {ended} {'session' if ended == 1 else 'sessions'} of {owner}.")
    _explain_access_tokens(services)


def _explain_access_tokens(services: Services) -> None:
    lifetime = services.settings.token_seconds
    click.echo(f"Access tokens that were issued before stay valid until they expire (TOKEN_SECONDS, {lifetime} here).")


user.add_command(limits)


def _require_account(users: Users, email: str) -> None:
    if users.find(email) is None:
        raise NotFound(f"{email} has no account.")


def _new_password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
