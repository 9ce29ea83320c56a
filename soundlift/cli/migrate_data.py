"""The command `soundlift migrate-data`, which copies a deployment to other servers, or its files to another store."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from soundlift.cli.migration.endpoints import Endpoint, read_endpoint
from soundlift.cli.migration.media import CopiedFiles, MediaCopy
from soundlift.cli.migration.rows import (
    DataDiffer,
    check_target,
    copy_rows,
    count_rows,
    latest_change,
    make_events_due,
)
from soundlift.cli.readable import count_text
from soundlift.common.db.engine import Database
from soundlift.common.errors import BadRequest
from soundlift.common.jobs.activity import has_activity
from soundlift.common.media import open_media
from soundlift.common.sizes import size_text
from soundlift.local.command import data_option

BUCKETS = ("videos", "mp3s")
path_type = click.Path(exists=True, path_type=Path)


@click.command("migrate-data")
@click.option("--from", "source_path", type=path_type, help="Data folder or file of settings; else, the environment.")
@click.option("--to", "target_path", type=path_type, required=True, help="Data folder or file of settings.")
@click.option("--media-only", is_flag=True, help="Copy only the files; the functions may be running.")
@data_option
def migrate_data(source_path: Path | None, target_path: Path, media_only: bool, data: Path | None) -> None:
    """Copy a deployment's data elsewhere.

    It copies the database and the files to another database and store. A file of settings has lines NAME=VALUE, such as
    DATABASE_URL and MEDIA_URL, so that no password is in the command line. The source must be stopped, and the target
    must have its tables (`soundlift migrate`) and no data. If the command is interrupted, run it again: it continues.
    At the end, it compares both. Queues are not copied.
    """
    source, target = read_endpoint(source_path, data), read_endpoint(target_path)
    database = source.open_database()
    try:
        if not media_only:
            _migrate_rows(source, target, database)
        _migrate_files(source, target, database, media_only=media_only)
    finally:
        database.engine.dispose()


def _migrate_rows(source: Endpoint, target: Endpoint, database: Database) -> None:
    if source.settings.database_url == target.settings.database_url:
        raise BadRequest("The source and the target have the same database; --media-only copies only the files.")
    if not source.lock() and has_activity(database):
        raise BadRequest("The source is in use: a video is being received or converted. Stop all of its functions.")
    target.lock()
    copy = target.open_database()
    try:
        before = latest_change(database)
        check_target(database, copy)
        for table in copy_rows(database, copy):
            click.echo(f"{table.table}: {count_text(table.copied, 'row')} copied, {table.present:,} already there")
        make_events_due(copy)
        if latest_change(database) != before or count_rows(copy) != before[0]:
            raise DataDiffer("The source has changed while it was copied. Stop its functions, and use an empty target.")
    finally:
        copy.engine.dispose()


def _migrate_files(source: Endpoint, target: Endpoint, database: Database, *, media_only: bool) -> None:
    old, new = source.settings.media_url, target.settings.media_url
    if old == new:
        if media_only:
            raise BadRequest("The source and the target have the same media store.")
        click.echo("The media store stays the same; no file was copied.")
        return
    copies = [MediaCopy(bucket, open_media(old, bucket), open_media(new, bucket), database) for bucket in BUCKETS]
    for copy in copies:
        copy.target.check()
    for copy in copies:
        _copy_bucket(copy)
    if missing := sum(copy.missing() for copy in copies):
        raise DataDiffer(
            f"The target still lacks {count_text(missing, 'file')} of the source, stored in the meantime. Stop the "
            "functions of the source, and run the command again."
        )
    click.echo("The target is complete.")


def _copy_bucket(copy: MediaCopy) -> None:
    counts = CopiedFiles(copy.bucket)
    for counts in copy.run():
        if sys.stderr.isatty():
            click.echo(f"\r{copy.bucket}: {counts.copied + counts.present} files", nl=False, err=True)
    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
    rest = f", {counts.without_job:,} without a job left out" if counts.without_job else ""
    click.echo(
        f"{counts.bucket}: {count_text(counts.copied, 'file')} copied ({size_text(counts.copied_bytes)}), "
        f"{counts.present:,} already there{rest}"
    )
