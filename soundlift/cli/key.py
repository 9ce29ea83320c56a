"""The commands `soundlift key`, which manage the API keys of the signed-in user."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

import click

from soundlift.cli.connect import Connect, with_client
from soundlift.cli.each_job import json_option
from soundlift.cli.outcome import json_line
from soundlift.client import ApiKey, Client
from soundlift.common.auth.scopes import MEANINGS, Scope
from soundlift.common.printable import escaped
from soundlift.local.program_name import runnable

SECONDS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}
LIFETIME = re.compile(r"([1-9][0-9]{0,4})([hdw])")
NEVER = "never"

with_sign_in = partial(with_client, accepts_key=False)


class Lifetime(click.ParamType[int | None]):
    """How long a key works, such as 90d, in seconds; None for `never` ending."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Return the number of seconds, or None."""
        found = LIFETIME.fullmatch(str(value))
        if found is None and value != NEVER:
            self.fail(f"{value!r} is not a time such as 12h, 90d, 52w or {NEVER}.", param, ctx)
        return int(found[1]) * SECONDS[found[2]] if found else None


class Scopes(click.ParamType[frozenset[Scope]]):
    """One or several scopes, separated by commas."""

    name = "scopes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[Scope]:
        """Return the scopes."""
        if isinstance(value, frozenset):
            return value
        names = [name.strip() for name in str(value).split(",")]
        if unknown := [name for name in names if name not in set(Scope)]:
            self.fail(f"{unknown[0]!r} is no scope; the scopes are {', '.join(Scope)}.", param, ctx)
        return frozenset(map(Scope, names))


@click.group()
def key() -> None:
    """Manage the API keys of your programs.

    With a key, a program needs no password. These commands need a sign-in: no key can make or revoke keys. All other
    commands use the key in SOUNDLIFT_API_KEY.
    """


@key.command(epilog="\n\n".join(f"{scope}: {meaning}" for scope, meaning in MEANINGS.items()))
@click.option("--name", required=True, help="What the key is for, to recognize it in the list.")
@click.option(
    "--scope",
    "scopes",
    type=Scopes(),
    multiple=True,
    required=True,
    metavar="SCOPE[,SCOPE...]",
    help="What it may do.",
)
@click.option("--expires", type=Lifetime(), default="90d", show_default=True, help=f"After 12h, 90d, 52w or {NEVER}.")
@json_option
@with_sign_in
def add(name: str, scopes: Sequence[frozenset[Scope]], expires: int | None, as_json: bool, connect: Connect) -> None:
    """Make a key, and print it.

    Nobody can show it again. Keep it where only the program can read it, in the variable SOUNDLIFT_API_KEY.
    """
    made = connect().keys.make(name, sorted(frozenset().union(*scopes)), seconds=expires)
    click.echo(json_line(_document(made)) if as_json else made.text)
    until = f"until {_time(made.expires_at)}" if made.expires_at else "until it is revoked"
    note = f"This key works {until}, and is shown only now. Revoke it with `soundlift key remove {made.start}`."
    click.echo(runnable(note), err=True)


@key.command("list")
@json_option
@with_sign_in
def list_(as_json: bool, connect: Connect) -> None:
    """List your keys, the newest first."""
    keys = connect().keys.list()
    for each in keys:
        click.echo(json_line(_document(each)) if as_json else _line(each))
    if not keys:
        click.echo("You have no API keys.", err=True)


@key.command()
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@with_sign_in
def remove(keys: Sequence[str], connect: Connect) -> None:
    """Revoke keys, which stop working at once. KEY is the start of a key or its id, as `list` shows them."""
    client = connect()
    for each in _found(keys, client):
        client.keys.revoke(each)
        click.echo(f"Revoked {escaped(each.start)} ({escaped(each.name)}).")


def _found(wanted: Sequence[str], client: Client) -> list[ApiKey]:
    """Return the keys with an id or a start; raises UsageError unless each names exactly one that is not revoked."""
    active = [each for each in client.keys.list() if each.state != "revoked"]
    found = []
    for name in wanted:
        matches = [each for each in active if name in (each.id, each.start)]
        if len(matches) != 1:
            problem = "There is no such key" if not matches else "Several keys begin so; use the id"
            raise click.UsageError(f"{problem}: {name}. List your keys with `soundlift key list --json`.")
        found += matches
    return found


def _line(shown: ApiKey) -> str:
    state = shown.state if shown.state != "active" else _expiry(shown)
    used = f"used {_time(shown.last_used_at)}" if shown.last_used_at else "never used"
    return escaped(f"{shown.start}  {shown.name}  {','.join(shown.scopes)}  {state}  {used}")


def _expiry(shown: ApiKey) -> str:
    return f"until {_time(shown.expires_at)}" if shown.expires_at else "does not expire"


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else ""


def _document(shown: ApiKey) -> dict[str, Any]:
    """Return a key as a JSON object, with times in ISO 8601, and with its text only if it was just made."""
    values = asdict(shown)
    values |= {name: value.isoformat() for name, value in values.items() if isinstance(value, datetime)}
    text = values.pop("text")
    return values if text is None else {**values, "key": text}
