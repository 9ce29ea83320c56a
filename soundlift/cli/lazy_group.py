"""A group of commands that are imported when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any, cast

import click


class LazyGroup(click.Group):
    """A group that imports only the module of the command that runs.

    `lazy` has the place of each command by its name, such as "soundlift.cli.job:job". The way is that of Click's
    documentation, "Lazily Loading Subcommands". Most commands start three times as fast as if all were imported
    (`python -m bench command-start`).
    """

    def __init__(self, *arguments: Any, lazy: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, after importing its module; None if there is no such command."""
        if place := self._lazy.get(cmd_name):
            return cast("click.Command", resolve_name(place))
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with; the error about a mistyped one suggests all names."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=self.list_commands(ctx), ctx=ctx) from None
