"""The command `soundlift link`, which makes addresses for programs and people that are not signed in."""

from __future__ import annotations

from collections.abc import Sequence

import click

from soundlift.cli.connect import Connect, with_client
from soundlift.cli.each_job import jobs_argument, json_option
from soundlift.cli.outcome import json_line
from soundlift.cli.web_addresses import is_web_address
from soundlift.client import ConnectionFailed


@click.command()
@jobs_argument
@json_option
@with_client
def link(jobs: Sequence[str], as_json: bool, connect: Connect) -> None:
    """Print a link that needs no sign-in.

    It downloads the audio of a job, or for several jobs a ZIP file. Whoever has the link can use it until it expires.
    """
    made = connect().link(jobs[0] if len(jobs) == 1 else jobs)
    if not is_web_address(made.url):
        raise ConnectionFailed("The server's link is not a web address.")
    expires_at = made.expires_at.isoformat() if made.expires_at else None
    if as_json:
        click.echo(json_line({"url": made.url, "expires_at": expires_at}))
        return
    click.echo(made.url)
    if made.expires_at:
        click.echo(f"It works until {made.expires_at.astimezone():%Y-%m-%d %H:%M}.", err=True)
