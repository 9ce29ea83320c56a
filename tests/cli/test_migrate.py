"""The migrations create the tables of the code, even if they run repeatedly or concurrently."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import make_url

from soundlift.common.db import migrations
from soundlift.common.db.engine import Database, open_database
from soundlift.common.db.migrations import migrate
from soundlift.common.db.tables import metadata
from soundlift.common.errors import DatabaseUnavailable
from soundlift.common.jobs.document import audio_name
from soundlift.common.jobs.model import AudioDescription
from soundlift.common.jobs.store import Jobs

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

MIGRATE = "import sys; from soundlift.common.db.migrations import migrate; migrate(sys.argv[1])"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / '100% sound.db'}"


def differences(database: Database) -> list[object]:
    with database.read() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


def test_a_migrated_database_has_exactly_the_tables_of_the_code(url: str) -> None:
    migrate(url)
    assert differences(open_database(url)) == []


def test_a_migrated_sqlite_file_uses_write_ahead_logging(url: str) -> None:
    migrate(url)
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_migrations_are_found_in_a_folder_with_special_characters(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "100% %(here)s"
    folder.symlink_to(Path(migrations.__file__).parent)
    monkeypatch.setattr(migrations, "__file__", str(folder / "__init__.py"))
    migrate(url)
    assert differences(open_database(url)) == []


def test_a_second_migration_keeps_tables_and_rows(url: str) -> None:
    migrate(url)
    database = open_database(url)
    with database.write() as connection:
        connection.execute(metadata.tables["user"].insert().values(email="a@example.org", password="x"))
    migrate(url)
    with database.read() as connection:
        assert len(connection.execute(metadata.tables["user"].select()).all()) == 1


BEFORE_CHANGES = """
    DROP INDEX job_in_turn; DROP INDEX job_of_user_in_turn; ALTER TABLE job DROP COLUMN turn;
    DROP TABLE deletion; DROP INDEX job_update; DROP INDEX job_update_of_user;
    ALTER TABLE job DROP COLUMN ended_at; ALTER TABLE job DROP COLUMN updated_at;
    ALTER TABLE job DROP COLUMN retried_at; ALTER TABLE job DROP COLUMN retries;
    UPDATE alembic_version SET version_num = '0003';
"""


def test_existing_jobs_get_the_times_of_their_last_change(url: str) -> None:
    migrate(url)
    database = open_database(url)
    states = ("queued", "ready", "failed", "cancelled", "expired")
    common = {"username": "a@example.org", "file_name": "a", "content_type": "", "video_fid": "", "created_at": 1.0}
    rows = [{**common, "id": state, "state": state, "changed_at": 2.0 + n} for n, state in enumerate(states)]
    with database.write() as connection:
        connection.execute(metadata.tables["job"].insert(), rows)
    database.engine.dispose()
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        connection.executescript(BEFORE_CHANGES)
    for _ in range(2):
        migrate(url)
    assert differences(database) == []
    with database.read() as connection:
        job = metadata.tables["job"].c
        found = connection.execute(
            sa.select(job.id, job.updated_at, job.ended_at, job.retries).order_by(job.changed_at)
        )
        assert [tuple(row) for row in found] == [
            ("queued", 2.0, None, 0),
            ("ready", 3.0, 3.0, 0),
            ("failed", 4.0, 4.0, 0),
            ("cancelled", 5.0, 5.0, 0),
            ("expired", 6.0, None, 0),
        ]


def test_all_of_many_existing_jobs_get_their_times(url: str) -> None:
    migrate(url)
    database = open_database(url)
    job = metadata.tables["job"]
    common = {"username": "a@example.org", "file_name": "a", "content_type": "", "video_fid": "", "created_at": 1.0}
    rows = [{**common, "id": f"{number:024x}", "state": "ready", "changed_at": 2.0} for number in range(2500)]
    with database.write() as connection:
        connection.execute(job.insert(), rows)
    database.engine.dispose()
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        connection.executescript(BEFORE_CHANGES)
    migrate(url)
    times = sa.select(job.c.updated_at, job.c.ended_at, sa.func.count()).group_by(job.c.updated_at, job.c.ended_at)
    with database.read() as connection:
        assert connection.execute(times).all() == [(2.0, 2.0, 2500)]


def test_existing_queued_jobs_get_their_turns(url: str) -> None:
    migrate(url)
    database = open_database(url)
    job = metadata.tables["job"]
    common = {"file_name": "a", "content_type": "", "video_fid": "", "created_at": 1.0}
    owners = {"a3": "ada", "a1": "ada", "b1": "bob", "a2": "ada"}
    rows = [
        {**common, "id": name, "username": owner, "state": "queued", "changed_at": float(name[1])}
        for name, owner in owners.items()
    ]
    with database.write() as connection:
        connection.execute(job.insert(), [*rows, {**rows[0], "id": "ready", "state": "ready"}])
    database.engine.dispose()
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        connection.executescript(BEFORE_CHANGES)
    for _ in range(2):
        migrate(url)
    with database.read() as connection:
        found = {row.id: row.turn for row in connection.execute(sa.select(job.c.id, job.c.turn))}
    assert found == {"a1": 1, "a2": 2, "a3": 3, "b1": 1, "ready": None}


def test_jobs_that_were_ready_before_have_mp3s(url: str) -> None:
    migrate(url)
    database = open_database(url)
    common = {"username": "a@example.org", "file_name": "a.mp4", "content_type": "", "video_fid": "", "created_at": 1.0}
    rows = [
        {**common, "id": state, "state": state, "mp3_bytes": size, "changed_at": 2.0}
        for state, size in {"queued": None, "ready": 3, "expired": 3}.items()
    ]
    with database.write() as connection:
        connection.execute(metadata.tables["job"].insert(), rows)
    database.engine.dispose()
    columns = ("format", "codec", "bitrate", "sample_rate", "channels", "copied", "cut_start", "cut_end")
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        connection.executescript("".join(f"ALTER TABLE job DROP COLUMN {column};" for column in columns))
        connection.executescript("UPDATE alembic_version SET version_num = '0009'")
    migrate(url)
    assert differences(database) == []
    jobs = {state: Jobs(database).find(state) for state in ("queued", "ready", "expired")}
    assert {state: job and job.audio for state, job in jobs.items()} == {
        "queued": None,
        "ready": AudioDescription(format="mp3"),
        "expired": AudioDescription(format="mp3"),
    }
    assert jobs["ready"] and audio_name(jobs["ready"]) == "a.mp3"


@pytest.mark.parametrize(("table", "column"), [("job", "missing_seconds"), ("notification", "attempts")])
def test_the_error_for_a_missing_column_names_the_command_to_run(url: str, table: str, column: str) -> None:
    migrate(url)
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        connection.executescript(f"ALTER TABLE {table} DROP COLUMN {column}")
    with pytest.raises(DatabaseUnavailable, match="of an older version: run `soundlift migrate`"):
        open_database(url).check()


@pytest.mark.parametrize("table", ["job", "notification", "upload_lock"])
def test_the_error_for_a_missing_table_names_the_command_to_run(url: str, table: str) -> None:
    migrate(url)
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        connection.executescript(f"DROP TABLE {table}")
    with pytest.raises(DatabaseUnavailable, match="no tables yet: run `soundlift migrate`"):
        open_database(url).check()


def test_a_database_of_an_unknown_version_is_left_unchanged(url: str) -> None:
    migrate(url)
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        connection.executescript("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(DatabaseUnavailable, match="tables of an unknown version") as refused:
            migrate(url)
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
    assert "9999" in refused.value.evidence["cause"]


def test_concurrent_migrations_of_a_new_file_all_succeed(url: str) -> None:
    runs = [Popen([sys.executable, "-c", MIGRATE, url], stdout=DEVNULL, stderr=PIPE) for _ in range(4)]
    errors = [run.communicate(timeout=60)[1].decode() for run in runs]
    assert [run.returncode for run in runs] == [0] * 4, errors
    assert differences(open_database(url)) == []
