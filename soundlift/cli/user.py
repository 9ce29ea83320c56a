"""The command `soundlift user`, which manages accounts."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from soundlift.cli.deployment import account_services
from soundlift.cli.user_limits import limits
from soundlift.common.auth.users import Users, parse_address
from soundlift.common.errors import BadRequest, NotFound
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

    The new password is read from a prompt, or from standard input.
    """
    services = account_services(data)
    _require_account(services.users, email)
    services.users.set_password(email, services.passwords.hash_new(_new_password()))
    services.sign_in_limits.forget(email)
    click.echo(f"Changed the password of {email}.")


@user.command("list")
@data_option
def list_(data: Path | None) -> None:
    """List all accounts and mark the admins."""
    for account in account_services(data).users.list():
        click.echo(f"{account.email}{'  admin' if account.admin else ''}")


@user.command()
@click.argument("email")
@data_option
def remove(email: str, data: Path | None) -> None:
    """Remove an account, and end its sessions. Its jobs are kept until they expire."""
    account_services(data).users.remove(email)
    click.echo(f"Removed {email}.")


@user.command("sign-out")
@click.argument("email")
@data_option
def sign_out(email: str, data: Path | None) -> None:
    """End all sessions of an account, on every device."""
    services = account_services(data)
    _require_account(services.users, email)
    address, lifetime = email.strip().lower(), services.settings.token_seconds
    ended = services.sessions.end_all(address)
    click.echo(f"Ended {ended} {'session' if ended == 1 else 'sessions'} of {address}.")
    click.echo(f"Access tokens that were issued before stay valid until they expire (TOKEN_SECONDS, {lifetime} here).")


user.add_command(limits)


def _require_account(users: Users, email: str) -> None:
    if users.find(email) is None:
        raise NotFound(f"{email} has no account.")


def _new_password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
