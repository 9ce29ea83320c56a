"""A backup that is made with the documented commands while the deployment runs is restored, and reconciled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from devservers.mariadb import MariaDb
from soundlift.common.jobs.model import State
from soundlift.common.services import Services
from tests.cli.conftest import Run
from tests.factories.accounts import SECRET
from tests.factories.jobs import failed_job, job_now, notified_job, queued_job, ready_job
from tests.factories.media import is_stored
from tests.operations.conftest import Open
from tests.operations.documented import documented_commands, require_programs, run_shell

pytestmark = pytest.mark.slow

PATHS = "DATA=~/.local/share/soundlift BACKUP=/backup/soundlift     # DATA: the folder of --data or SOUNDLIFT_DATA\n"


@contextmanager
def working(services: Services) -> Iterator[None]:
    """Let jobs become ready, and be deleted with their files, as fast as possible in the background."""
    stop, errors = Event(), []

    def work() -> None:
        try:
            while not stop.is_set():
                ready_job(services)
                failed_job(services)
        except Exception as error:
            errors.append(error)

    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert errors == []


def test_one_machine_is_restored_from_a_backup_that_was_made_while_it_ran(
    services: Services, tmp_path: Path, run: Run
) -> None:
    require_programs("sqlite3", "rsync")
    back_up, restore = documented_commands("backup.md", "One machine")
    data, backup = services.settings.soundlift_data, tmp_path / "backup"
    paths = f"DATA={data} BACKUP={backup}\n"
    assert back_up.startswith(PATHS)
    (data / "secrets").mkdir()
    (data / "secrets" / "jwt-secret").write_text(SECRET)
    kept, deleted = notified_job(services), notified_job(services)
    with working(services):
        run_shell(back_up.replace(PATHS, paths), tmp_path)
    newer = queued_job(services)
    assert services.jobs.delete(deleted.id)
    for bucket, fid in ((services.videos, deleted.video_fid), (services.mp3s, str(deleted.mp3_fid))):
        bucket.delete(fid)
    services.database.engine.dispose()

    run_shell(paths + restore, tmp_path)

    assert (data / "secrets" / "jwt-secret").read_text() == SECRET
    # The backup has the files of every row: those that were deleted after it are there again, too.
    dry = run("reconcile")
    assert dry.returncode == 0, dry.stderr
    reported = dry.stdout
    assert "would fail" not in reported
    assert "converted again" not in reported
    assert services.jobs.find(newer.id) is None
    assert f"videos/{newer.video_fid}" in reported  # what was uploaded after the backup is a file without a job
    for job in (kept, deleted):
        assert job_now(services, job.id).state == State.READY
        assert is_stored(services.mp3s, str(job.mp3_fid))


@pytest.mark.servers
def test_mariadb_is_restored_from_a_dump_that_was_made_while_functions_ran(
    open_deployment: Open, mariadb_server: MariaDb, tmp_path: Path, run: Run
) -> None:
    require_programs("mariadb-dump", "mariadb")
    services = open_deployment("mariadb", "folder")
    name = services.settings.database_url.rpartition("/")[2]
    dump, restore = _mariadb_commands(name)
    (tmp_path / ".my.cnf").write_text(f"[client]\nhost=127.0.0.1\nport={mariadb_server.port}\nuser=root\nskip-ssl\n")
    kept, lost = ready_job(services), ready_job(services)
    with working(services):
        run_shell(dump, tmp_path, HOME=str(tmp_path))
    newer = queued_job(services)
    services.mp3s.delete(str(lost.mp3_fid))  # the store is older than the database, or has lost a file
    services.database.engine.dispose()

    run_shell(restore, tmp_path, HOME=str(tmp_path))

    done = run("reconcile", "--apply", DATABASE_URL=services.settings.database_url)
    assert f"videos/{newer.video_fid}" in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("job ")] == [
        f"job {lost.id} (ready): its audio file is missing: queued, to be converted again"
    ]
    assert job_now(services, kept.id).state == State.READY
    assert services.jobs.find(newer.id) is None
    assert services.jobs.claim(job_now(services, lost.id))


@pytest.mark.servers
def test_postgresql_is_restored_from_a_dump_that_was_made_while_functions_ran(
    open_deployment: Open, tmp_path: Path
) -> None:
    require_programs("pg_dump", "pg_restore")
    services = open_deployment("postgresql", "folder")
    dump, restore = documented_commands("backup.md", "PostgreSQL")
    kept = ready_job(services)
    with working(services):
        run_shell(dump, tmp_path, DATABASE_URL=services.settings.database_url)
    newer = queued_job(services)
    services.database.engine.dispose()

    run_shell(restore, tmp_path, DATABASE_URL=services.settings.database_url)

    services.database.check()
    assert job_now(services, kept.id) == kept
    assert services.jobs.find(newer.id) is None
    assert queued_job(services)  # the sequences continue


def _mariadb_commands(name: str) -> list[str]:
    """Return the documented commands for a database of another name."""
    dump, restore = documented_commands("backup.md", "MySQL and MariaDB")
    return [dump.replace("soundlift", name), restore.replace("soundlift", name)]


def test_a_store_is_backed_up_and_restored_as_a_copy(services: Services, tmp_path: Path, run: Run) -> None:
    (command,) = documented_commands("backup.md", "GridFS and S3")
    backup = (tmp_path / "backup").as_uri()
    jobs = [ready_job(services, bytes([number]) * 1000) for number in range(3)]
    line, soundlift = command.replace("file:///backup/soundlift/media", backup).splitlines()
    run_shell(line, tmp_path)
    assert run(*soundlift.split()[1:]).returncode == 0
    for job in jobs:
        services.mp3s.delete(str(job.mp3_fid))

    live = tmp_path / "live.env"
    live.write_text(f"MEDIA_URL={services.settings.media_url}\n")
    restored = run("migrate-data", "--media-only", "--to", str(live), MEDIA_URL=backup)

    assert restored.returncode == 0, restored.stderr
    assert all(is_stored(services.mp3s, str(job.mp3_fid)) for job in jobs)
    assert run("reconcile").stdout == "The jobs and the files agree.\n"
