"""A deployment moves from one machine to servers, and its files from one kind of store to another."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from devservers.mariadb import MariaDb
from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.cli.migration.rows import TABLES
from soundlift.common.db.tables import jobs as job_table
from soundlift.common.media import list_files
from soundlift.common.services import Services
from soundlift.local.data_folder import lock_data_folder
from tests.cli.conftest import Run
from tests.factories.jobs import (
    queued_job,
)
from tests.factories.media import is_stored, store
from tests.operations.conftest import Open
from tests.operations.contents import files_of, settings_file

pytestmark = pytest.mark.slow


def rows_of(services: Services) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows, without the time at which an event is next due."""
    tables = {}
    with services.database.read() as connection:
        for table in TABLES:
            columns = [column for column in table.columns if column is not job_table.c.resend_at]
            query = sa.select(*columns).order_by(*table.primary_key.columns)
            tables[table.name] = [tuple(row) for row in connection.execute(query)]
    return tables


def target_file(folder: Path, target: Services) -> Path:
    urls = {"DATABASE_URL": target.settings.database_url, "MEDIA_URL": target.settings.media_url}
    return settings_file(folder, **urls)


@pytest.mark.servers
@pytest.mark.parametrize(("database", "media"), [("mariadb", "gridfs"), ("postgresql", "s3")])
def test_a_deployment_on_one_machine_moves_to_servers(
    source: Services, open_deployment: Open, tmp_path: Path, run: Run, database: str, media: str
) -> None:
    target = open_deployment(database, media)
    orphan = "e" * 24
    store(source.videos, orphan, b"a file that no job names")

    moved = run("migrate-data", "--to", str(target_file(tmp_path, target)))

    assert moved.returncode == 0, moved.stderr
    assert "The target is complete.\n" in moved.stdout
    assert "1 without a job left out" in moved.stdout
    assert rows_of(target) == rows_of(source)
    filled = {name for name, rows in rows_of(target).items() if rows}
    assert filled == {table.name for table in TABLES} - {"attempt"}
    source.videos.delete(orphan)
    assert files_of(target) == files_of(source)
    waiting = {job.id for job in target.jobs.due()}
    assert len(waiting) == 2  # the events of the source's queue are sent again at once
    target.users.add("first-of-the-target@example.org", "")  # rows that the target numbers follow those of the source
    assert target.jobs.cancel(waiting.pop())


def test_a_repeated_migration_copies_nothing_and_does_not_overwrite_a_target_in_use(
    source: Services, empty_database: Path, tmp_path: Path, run: Run
) -> None:
    database = tmp_path / "target.db"
    shutil.copy(empty_database, database)
    target = replace(source.settings, database_url=f"sqlite:///{database}", media_url=(tmp_path / "media").as_uri())
    file = settings_file(tmp_path, DATABASE_URL=target.database_url, MEDIA_URL=target.media_url)
    assert run("migrate-data", "--to", str(file)).returncode == 0
    again = run("migrate-data", "--to", str(file))
    assert again.returncode == 0, again.stderr
    assert "job: 0 rows copied, 10 already there" in again.stdout
    services = Services(target)
    assert services.jobs.claim(services.jobs.due()[0])
    before = rows_of(services)
    refused = run("migrate-data", "--to", str(file))
    assert refused.returncode == 1
    assert "has been used" in " ".join(refused.stderr.split())
    assert rows_of(services) == before
    services.database.engine.dispose()


@pytest.mark.servers
def test_a_migration_that_is_killed_continues(
    source: Services, open_deployment: Open, tmp_path: Path, run: Run
) -> None:
    jobs = [queued_job(source, os.urandom(5_300_000)) for _ in range(6)]
    target = open_deployment("mariadb", "s3")
    arguments = ["migrate-data", "--to", str(target_file(tmp_path, target))]
    command = [sys.executable, "-m", "soundlift.cli", *arguments]
    environment = {**os.environ, "SOUNDLIFT_DATA": str(source.settings.soundlift_data)}
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL)
    wait_for(lambda: sum(file.committed for file in list_files(target.videos)) >= 2, "two files are copied", seconds=60)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    assert process.wait(DEADLINE_SECONDS) == -signal.SIGKILL
    assert sum(is_stored(target.videos, job.video_fid) for job in jobs) < len(jobs)

    again = run(*arguments)

    assert again.returncode == 0, again.stderr
    assert "The target is complete." in again.stdout
    assert rows_of(target) == rows_of(source)
    assert files_of(target) == files_of(source)
    assert all(file.committed for file in list_files(target.videos))


@pytest.mark.servers
def test_a_target_with_other_data_is_refused_before_anything_is_copied(
    source: Services, open_deployment: Open, tmp_path: Path, run: Run, password_hash: str
) -> None:
    target = open_deployment("mariadb", "folder")
    target.users.add("eve@example.org", password_hash)
    before = rows_of(target)
    refused = run("migrate-data", "--to", str(target_file(tmp_path, target)))
    assert refused.returncode == 1
    assert "table user" in " ".join(refused.stderr.split())
    assert rows_of(target) == before


@pytest.mark.servers
def test_a_target_without_tables_is_refused(
    source: Services, mariadb_server: MariaDb, tmp_path: Path, run: Run
) -> None:
    url = mariadb_server.url(mariadb_server.new_database())
    refused = run("migrate-data", "--to", str(settings_file(tmp_path, DATABASE_URL=url, MEDIA_URL="s3://bucket")))
    assert refused.returncode == 1
    assert "soundlift migrate" in " ".join(refused.stderr.split())


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_a_mistyped_folder_does_not_become_a_deployment(
    source: Services, tmp_path: Path, run: Run, option: str
) -> None:
    typo, data = tmp_path / "typo", str(source.settings.soundlift_data)
    typo.mkdir()
    refused = run("migrate-data", option, str(typo), *(["--to", data] if option == "--from" else ["--data", data]))
    assert refused.returncode == 1
    assert "There is no Soundlift in the data folder" in " ".join(refused.stderr.split())
    assert list(typo.iterdir()) == []


def test_a_file_of_settings_that_is_no_text_is_refused_in_one_sentence(
    source: Services, tmp_path: Path, run: Run
) -> None:
    file = tmp_path / "servers.env"
    file.write_bytes(b"\xff\xfe\x00")
    file.chmod(0o600)
    refused = run("migrate-data", "--to", str(file))
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "servers.env is not a text file: write lines NAME=VALUE" in refused.stderr


def test_a_source_that_is_running_is_refused(source: Services, tmp_path: Path, run: Run, empty_database: Path) -> None:
    target = settings_file(tmp_path, DATABASE_URL=f"sqlite:///{empty_database}", MEDIA_URL=tmp_path.as_uri())
    locked, report = os.pipe()
    child = os.fork()
    if child == 0:
        lock_data_folder(source.settings.soundlift_data)
        os.write(report, b"locked")
        time.sleep(600)
        os._exit(0)
    os.close(report)
    try:
        assert os.read(locked, 6) == b"locked"
        refused = run("migrate-data", "--to", str(target))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(locked)
    assert refused.returncode == 1
    assert "stop it" in " ".join(refused.stderr.split())
