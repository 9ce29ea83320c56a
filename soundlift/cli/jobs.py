"""The command `soundlift jobs`, which lists jobs."""

from __future__ import annotations

from itertools import islice

import click

from soundlift.cli.connect import Connect, with_client
from soundlift.cli.each_job import json_option
from soundlift.cli.job_text import job_document, list_lines
from soundlift.cli.outcome import json_line

NEWEST = 20
STATES = ("importing", "queued", "converting", "ready", "failed", "cancelled", "expired")


@click.command()
@click.option("-s", "--search", "q", metavar="TEXT", help="Only files whose name contains this text.")
@click.option(
    "--state", type=click.Choice(STATES), metavar="STATE", help=f"Only jobs in this state: {', '.join(STATES)}."
)
@click.option("--user", metavar="EMAIL", help="Only this user's jobs; for admins.")
@click.option(
    "-n", "--limit", type=click.IntRange(1), default=NEWEST, show_default=True, help="Number of jobs, newest first."
)
@click.option("--all", "everything", is_flag=True, help="List all jobs.")
@json_option
@with_client
def jobs(
    q: str | None,
    state: str | None,
    user: str | None,
    limit: int,
    everything: bool,
    as_json: bool,
    connect: Connect,
) -> None:
    """List your jobs, newest first."""
    found = connect().jobs(q=q, state=state, user=user)
    if as_json:
        for job in found if everything else islice(found, limit):
            click.echo(json_line(job_document(job)))
        return
    shown = list(found if everything else islice(found, limit))
    for line in list_lines(shown):
        click.echo(line)
    if not shown:
        click.echo("There are no such jobs." if q or state or user else "You have no jobs.", err=True)
    elif not everything and next(found, None) is not None:
        click.echo("There are older jobs; show all with --all.", err=True)
