"""The command `soundlift job history`, which shows what happened to a job."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from soundlift.cli.deployment import services_for_writing
from soundlift.cli.each_job import json_option
from soundlift.cli.history_text import history_lines
from soundlift.cli.outcome import json_line
from soundlift.common.errors import NotFound
from soundlift.common.jobs.history_entry import HistoryEntry
from soundlift.local.command import data_option


@click.command()
@click.argument("job_id", metavar="JOB")
@json_option
@data_option
def history(job_id: str, as_json: bool, data: Path | None) -> None:
    """Show each step of a job, for operators.

    It is read from the deployment's database (DATABASE_URL, or the data folder of `soundlift up`). Steps are kept as
    long as the job's row.
    """
    jobs = services_for_writing(data).jobs
    entries, found = jobs.history(job_id), jobs.find(job_id)
    if found is None:
        raise NotFound("There is no job with this id; it never existed, or it has been deleted with its history.")
    if as_json:
        for entry in entries:
            click.echo(json_line(_document(entry)))
        return
    for line in history_lines(entries):
        click.echo(line)
    if not entries:
        click.echo(f"No steps are recorded: the job is {found.state}, and older than this record.", err=True)


def _document(entry: HistoryEntry) -> dict[str, object]:
    at = datetime.fromtimestamp(entry.at, UTC).isoformat()
    return {"at": at, "step": entry.step, "attempt": entry.attempt, "claim": entry.claim, "detail": entry.detail}
