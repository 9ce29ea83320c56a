"""The command `soundlift convert`, which converts a file on a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from soundlift.cli.sign_in import create_client, sign_in_options
from soundlift.cli.upload_options import upload_options
from soundlift.client import Client, ClientError, Job

PERCENT = 100


class NotConverted(ClientError):
    """A conversion that ended without an MP3."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="MP3 file or folder to write; default: the current folder."
)
@click.option("--force", is_flag=True, help="Overwrite an existing output file.")
@sign_in_options
@upload_options
def convert(
    file: Path,
    output: Path | None,
    force: bool,
    url: str,
    email: str | None,
    password: str | None,
    token: str | None,
    options: Mapping[str, str],
) -> None:
    """Upload FILE, wait for the MP3, and download it."""
    target = _target(file, output, force=force)
    client = create_client(url, email, password, token)
    if not token:
        client.login()
    job = _convert_with_progress(client, file, target, options)
    click.echo(f"{target}: {job.length:.1f} s, {(job.mp3_bytes or 0) / 1e6:.1f} MB")
    if job.missing_seconds:
        click.echo(f"{max(0.1, job.missing_seconds):.1f} s of the audio could not be read and are missing.", err=True)


def _target(file: Path, output: Path | None, *, force: bool) -> Path:
    name = file.with_suffix(".mp3").name
    target = Path(name) if output is None else output / name if output.is_dir() else output
    if not target.parent.is_dir():
        raise click.BadParameter(f"the folder {target.parent} does not exist.", param_hint="--output")
    if target.exists() and target.samefile(file):
        raise click.UsageError(f"{target} is the input itself. Name another output with -o.")
    if target.exists() and not force:
        raise click.UsageError(f"{target} already exists. Overwrite it with --force, or name another output with -o.")
    return target


def _convert_with_progress(client: Client, file: Path, target: Path, options: Mapping[str, str]) -> Job:
    columns = (TextColumn("{task.description:<10}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, DownloadColumn(), TransferSpeedColumn(), console=Console(stderr=True)) as bars:
        uploading = bars.add_task("upload", total=file.stat().st_size)
        job = client.upload(file, None, lambda done, _: bars.update(uploading, completed=done), options)
    with Progress(*columns, console=Console(stderr=True)) as bars:
        converting = bars.add_task("conversion", total=PERCENT)
        job = client.wait(job.id, on_progress=lambda current: bars.update(converting, completed=current.percent))
    if not job.ready:
        raise NotConverted(job.error or f"The job was {job.state} before its MP3 was ready.")
    with Progress(*columns, DownloadColumn(), TransferSpeedColumn(), console=Console(stderr=True)) as bars:
        downloading = bars.add_task("download", total=job.mp3_bytes)
        client.download(job, target, on_progress=lambda done, _: bars.update(downloading, completed=done))
    return job
