"""The commands `soundlift cancel`, `soundlift rm` and `soundlift retry`, which change jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from soundlift.cli.connect import Connect, with_client
from soundlift.cli.each_job import for_each, jobs_argument, json_option
from soundlift.cli.job_text import job_document
from soundlift.common.printable import escaped


@click.command()
@jobs_argument
@json_option
@with_client
def cancel(jobs: Sequence[str], as_json: bool, connect: Connect) -> None:
    """Cancel jobs that have not ended.

    Ended ones stay as they are.
    """
    client = connect()

    def action(job_id: str) -> tuple[str, dict[str, Any]]:
        job = client.cancel(job_id)
        return f"{escaped(job.id)}: {escaped(job.state)}", job_document(job)

    for_each(jobs, action, as_json=as_json)


@click.command()
@jobs_argument
@json_option
@with_client
def rm(jobs: Sequence[str], as_json: bool, connect: Connect) -> None:
    """Delete jobs and their files.

    Those that have not ended are cancelled first.
    """
    client = connect()

    def action(job_id: str) -> tuple[str, dict[str, Any]]:
        client.delete(job_id)
        return f"{escaped(job_id)}: deleted", {"id": job_id, "state": "deleted"}

    for_each(jobs, action, as_json=as_json)


@click.command()
@jobs_argument
@json_option
@with_client
def retry(jobs: Sequence[str], as_json: bool, connect: Connect) -> None:
    """Convert failed or cancelled jobs again.

    The server still has their videos until they expire.
    """
    client = connect()

    def action(job_id: str) -> tuple[str, dict[str, Any]]:
        job = client.retry(job_id)
        return f"{escaped(job.id)}: {escaped(job.state)}", job_document(job)

    for_each(jobs, action, as_json=as_json)
