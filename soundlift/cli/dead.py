"""The command `soundlift dead`, which manages dead letters."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from soundlift.cli.deployment import services_for_writing
from soundlift.common.broker import DeadLetter
from soundlift.common.errors import BadRequest, NotFound
from soundlift.common.printable import escaped
from soundlift.local.command import data_option
from soundlift.local.terminal import wrap

all_option = click.option("--all", "everything", is_flag=True, help="Apply to all dead letters.")
ids_argument = click.argument("ids", nargs=-1)


@click.group()
def dead() -> None:
    """Manage undeliverable messages."""


@dead.command("list")
@data_option
def list_(data: Path | None) -> None:
    """List all dead letters, oldest first."""
    letters = list(services_for_writing(data).broker.list())
    if not letters:
        click.echo("There are no dead letters.")
        return
    for letter in letters:
        click.echo(wrap(_summary(letter), sys.stdout, indent="    "))


@dead.command()
@click.argument("letter_id", metavar="ID")
@data_option
def show(letter_id: str, data: Path | None) -> None:
    """Show why a message is a dead letter, and its content."""
    found = next((letter for letter in services_for_writing(data).broker.list() if letter.id == letter_id), None)
    if found is None:
        raise _no_such_letter(letter_id)
    for name, value in {"queue": found.queue, **found.reason, "content-type": found.message.content_type}.items():
        click.echo(f"{name}: {value}")
    click.echo(found.message.body.decode(errors="replace"))


@dead.command()
@ids_argument
@all_option
@data_option
def replay(ids: tuple[str, ...], everything: bool, data: Path | None) -> None:
    """Return dead letters to their queues as new messages."""
    broker = services_for_writing(data).broker
    _apply(broker.replay, _chosen(ids, everything, broker.list()), "Returned")


@dead.command()
@ids_argument
@all_option
@data_option
def drop(ids: tuple[str, ...], everything: bool, data: Path | None) -> None:
    """Delete dead letters."""
    broker = services_for_writing(data).broker
    _apply(broker.drop, _chosen(ids, everything, broker.list()), "Deleted")


def _summary(letter: DeadLetter) -> str:
    """Return the id of a letter, where it could not be delivered, and why."""
    values = {"queue": letter.queue, **letter.reason}
    names = ("queue", "function", "status", "attempts", "at", "detail")
    known = [f"{name} {values[name]}" for name in names if values.get(name) is not None]
    return escaped(f"{letter.id}: {', '.join(known)}")


def _chosen(ids: tuple[str, ...], everything: bool, letters: Iterable[DeadLetter]) -> list[str]:
    if bool(ids) == everything:
        raise BadRequest("Name the dead letters or use --all; `soundlift dead list` shows them.")
    return [letter.id for letter in letters] if everything else list(ids)


def _apply(action: Callable[[str], bool], ids: Iterable[str], done: str) -> None:
    for letter_id in ids:
        if not action(letter_id):
            raise _no_such_letter(letter_id)
        click.echo(f"{done} {letter_id}.")


def _no_such_letter(letter_id: str) -> NotFound:
    return NotFound(f"There is no dead letter {letter_id}; `soundlift dead list` shows them.")
