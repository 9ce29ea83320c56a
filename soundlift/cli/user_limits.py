"""The command `soundlift user limits`, which shows and changes the limits of one user."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from soundlift.cli.deployment import account_services
from soundlift.common.errors import NotFound
from soundlift.common.jobs.limits import SETTINGS, Limits
from soundlift.common.jobs.quota import read_usage
from soundlift.common.jobs.recent import MINUTE, totals_by_user
from soundlift.common.services import Services
from soundlift.common.sizes import size_text
from soundlift.local.command import data_option

UNITS = {"": 1, "b": 1, "bytes": 1} | {
    f"{prefix}{suffix}": base**power
    for power, prefix in enumerate("kmgt", start=1)
    for suffix, base in (("", 1024), ("b", 1000), ("ib", 1024))
}
SIZE = re.compile(r"([0-9]{1,18})(\.[0-9]{1,3})?\s?([a-z]{0,5})", re.IGNORECASE)
MAX_LIMIT = 2**63 - 1
LABELS = {
    "file_bytes": "bytes per file",
    "jobs": "jobs in progress",
    "stored_bytes": "bytes stored",
    "uploads_per_hour": "uploads per hour",
    "minutes_per_day": "minutes of sound per day",
}
BYTES = ("file_bytes", "stored_bytes")


class Size(click.ParamType[int]):
    """A number of bytes with a unit, such as 10GiB, 500MB or 1048576."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        match = SIZE.fullmatch(str(value))
        factor = UNITS.get(match[3].lower()) if match else None
        size = round(float(f"{match[1]}{match[2] or ''}") * factor) if match and factor else 0
        if match is None or factor is None or size > MAX_LIMIT:
            self.fail(f"{value!r} is not a size such as 10GiB, 500MB or 1048576.", param, ctx)
        return size


NUMBER = click.IntRange(0, MAX_LIMIT)


@click.command()
@click.argument("email")
@click.option("--file", "file_bytes", type=Size(), help="Bytes per file, such as 1GiB.")
@click.option("--jobs", type=NUMBER, help="Jobs in progress.")
@click.option("--stored", "stored_bytes", type=Size(), help="Bytes stored, such as 10GiB.")
@click.option("--uploads-per-hour", type=NUMBER, help="Uploads in an hour.")
@click.option("--minutes-per-day", type=NUMBER, help="Minutes of sound that are converted in 24 hours.")
@click.option("--reset", is_flag=True, help="Return to the limits of the settings, except for those that are given.")
@data_option
def limits(email: str, reset: bool, data: Path | None, **given: int | None) -> None:
    """Show the limits of an account and what it uses, or give it limits of its own; 0 means no limit.

    The limits of the settings are those of this command's environment: run it with that of the functions.
    """
    services, address = account_services(data), email.strip().lower()
    changed = dict.fromkeys(SETTINGS) if reset else {}
    changed |= {name: value for name, value in given.items() if value is not None}
    if changed:
        services.limits.change(address, changed)
    elif services.users.find(address) is None:
        raise NotFound(f"{email} has no account.")
    for line in _lines(address, services):
        click.echo(line)


def _lines(address: str, services: Services) -> list[str]:
    """Return a table of the limits: the name, the value, where it comes from, and how much is used."""
    effective, own = services.limits.of(address, services.settings), services.limits.own([address]).get(address, {})
    used = _used(address, services)
    rows = [("limit", "value", "set by", "used")]
    for name, label in LABELS.items():
        source = "user limits" if name in own else SETTINGS[name].upper()
        rows.append((label, _value_text(name, effective), source, used.get(name, "")))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _value_text(name: str, limits: Limits) -> str:
    value = getattr(limits, name)
    if not value:
        return "no limit"
    return size_text(value) if name in BYTES else str(value)


def _used(address: str, services: Services) -> dict[str, str]:
    with services.database.read() as connection:
        usage = read_usage(connection, address)
        uploads, seconds = totals_by_user(connection, [address]).get(address, (0, 0.0))
    return {
        "jobs": str(usage.jobs),
        "stored_bytes": size_text(usage.stored_bytes),
        "uploads_per_hour": str(uploads),
        "minutes_per_day": f"{seconds / MINUTE:.1f}",
    }
