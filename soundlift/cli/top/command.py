"""The command `soundlift top`, which shows what happens in a deployment."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console, RenderableType
from rich.live import Live

from soundlift.cli.deployment import services_for_writing
from soundlift.cli.exit_codes import ExitCode
from soundlift.cli.number_range import NumberRange
from soundlift.cli.outcome import json_line
from soundlift.cli.top.keyboard import read_key, single_keys
from soundlift.cli.top.snapshot import Snapshot, Sources
from soundlift.cli.top.view import view
from soundlift.local.command import data_option

QUIT = "q"
ANSWER_SECONDS = 15.0
REDRAW_SECONDS = 0.5


@click.command()
@click.option("--once", is_flag=True, help="Print the state once; so it is without a terminal.")
@click.option(
    "--every", type=NumberRange(0.5, 3600), default=2, show_default=True, help="Seconds between two readings."
)
@click.option("--json", "as_json", is_flag=True, help="Print the state once, as a JSON object.")
@data_option
def top(once: bool, every: float, as_json: bool, data: Path | None) -> None:
    """Show queues, jobs, rates and workers.

    They are read from the database and the broker of the deployment that the environment describes, or of that of
    `soundlift up`. q or Ctrl-C ends it.
    """
    sources = Sources(services_for_writing(data))
    sources.start(every)
    if once or as_json or not sys.stdout.isatty():
        _print_once(sources, as_json=as_json)
    else:
        _watch(sources)


def _print_once(sources: Sources, *, as_json: bool) -> None:
    """Print the state, and fail if a server does not answer."""
    sources.wait(ANSWER_SECONDS)
    snapshot = sources.latest
    if as_json:
        click.echo(json_line(snapshot.document))
    else:
        Console(highlight=False, soft_wrap=False).print(view(snapshot, _now()))
    if snapshot.errors:
        click.get_current_context().exit(ExitCode.FAILED)


def _watch(sources: Sources) -> None:
    console = Console(highlight=False)
    try:
        with single_keys(), Live(_picture(sources.latest), console=console, screen=True, auto_refresh=False) as live:
            while read_key(REDRAW_SECONDS).lower() != QUIT:
                live.update(_picture(sources.latest), refresh=True)
    except KeyboardInterrupt:
        return


def _picture(snapshot: Snapshot) -> RenderableType:
    return view(snapshot, _now(), "q ends")


def _now() -> datetime:
    return datetime.now().astimezone()
