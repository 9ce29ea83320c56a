"""MariaDB: long waits for locks, SQL modes, interrupted migrations, and TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from devservers.certificates import Authority
from devservers.mariadb import MariaDb
from devservers.waiting import wait_for
from soundlift.common.db.engine import Database, open_database
from soundlift.common.db.migrations import LOCK, migrate
from soundlift.common.db.tables import UPLOAD_LOCKS, jobs, metadata, upload_locks, users
from soundlift.common.errors import DatabaseUnavailable
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.jobs import claimed_job, job_now

Open = Callable[[str], Database]


@pytest.fixture
def open_url(mariadb_server: MariaDb) -> Iterator[Open]:
    """Return a function that opens databases, whose connections are closed after the test."""
    with ExitStack() as stack:

        def open_url(url: str) -> Database:
            database = open_database(url)
            stack.callback(database.engine.dispose)
            return database

        yield open_url


@pytest.fixture
def database(open_url: Open, mariadb_url: str) -> Database:
    return open_url(mariadb_url)


@pytest.fixture
def database_url(mariadb_url: str) -> str:
    return mariadb_url


def _set_password(email: str, password: str) -> sa.Update:
    return sa.update(users).where(users.c.email == email).values(password=password)


def test_a_change_waits_for_a_lock_longer_than_the_server_s_timeout(database: Database) -> None:
    with database.write() as connection:
        connection.execute(users.insert().values(email="a", password="", admin=False))
    waits = sa.text("SELECT variable_value FROM information_schema.global_status WHERE variable_name = :name")
    with ThreadPoolExecutor() as pool:
        with database.write() as connection:
            connection.execute(_set_password("a", "held"))
            before = int(connection.scalar(waits, {"name": "INNODB_ROW_LOCK_WAITS"}))
            waiting = pool.submit(database.change, _set_password("a", "wanted"))
            wait_for(
                lambda: int(connection.scalar(waits, {"name": "INNODB_ROW_LOCK_WAITS"})) >= before + 2,
                "the other connection waits again",
            )
        assert waiting.result(timeout=60) == 1


@pytest.mark.parametrize("mode", ["ANSI,STRICT_ALL_TABLES", "TRADITIONAL", ""])
def test_the_server_s_sql_mode_makes_no_difference(mariadb_server: MariaDb, services: Services, mode: str) -> None:
    mariadb_server.execute(f"SET GLOBAL sql_mode = '{mode}'")
    try:
        services.database.engine.dispose()
        job, claim = claimed_job(services)
        assert services.jobs.mark_failed(claim, code="no_audio", message="x" * 2000)
        assert len(str(job_now(services, job.id).error)) == 1000
    finally:
        mariadb_server.execute("SET GLOBAL sql_mode = DEFAULT")


def test_a_migration_holds_its_lock_until_all_changes_are_committed(mariadb_server: MariaDb) -> None:
    holders = []

    def record(connection: sa.Connection) -> None:
        holders.append(connection.exec_driver_sql(f"SELECT IS_USED_LOCK('{LOCK}')").scalar())

    sa.event.listen(sa.Engine, "commit", record)
    try:
        migrate(mariadb_server.url(mariadb_server.new_database()))
    finally:
        sa.event.remove(sa.Engine, "commit", record)
    assert holders
    assert None not in holders


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE {}.job",
        "DROP INDEX job_in_state ON {}.job",
        "DROP INDEX job_in_quota ON {}.job",
        "DROP TABLE {}.notification",
        "DROP INDEX notification_due_at ON {}.notification",
        "DROP TABLE {}.upload_lock",
        "DROP TABLE {}.session",
        "DROP INDEX session_expires_at ON {}.session",
        "ALTER TABLE {}.job DROP COLUMN waveform",
        "ALTER TABLE {}.job DROP COLUMN retries",
        "DROP INDEX job_update_of_user ON {}.job",
        "DROP TABLE {}.deletion",
        "DELETE FROM {}.upload_lock WHERE number > 9",
    ],
)
def test_an_interrupted_migration_can_be_run_again(mariadb_server: MariaDb, open_url: Open, damage: str) -> None:
    name = mariadb_server.new_database()
    migrate(mariadb_server.url(name))
    mariadb_server.execute(damage.format(name))
    mariadb_server.execute(f"DELETE FROM {name}.alembic_version")
    migrate(mariadb_server.url(name))
    with open_url(mariadb_server.url(name)).read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
        inspector = sa.inspect(connection)
        indexes = {index["name"] for table in metadata.tables for index in inspector.get_indexes(table)}
        locks = connection.scalar(sa.select(sa.func.count()).select_from(upload_locks))
    assert indexes >= {index.name for table in metadata.tables.values() for index in table.indexes}
    assert locks == UPLOAD_LOCKS
    assert [each for each in differences if each[0] in ("add_column", "remove_column", "add_table")] == []


def test_a_migration_commits_the_times_of_existing_jobs_in_batches(mariadb_server: MariaDb, open_url: Open) -> None:
    url = mariadb_server.url(mariadb_server.new_database())
    migrate(url)
    common = {"username": "a", "file_name": "a", "content_type": "", "video_fid": "", "created_at": 1.0}
    rows = [{**common, "id": f"{n:024x}", "state": "ready", "changed_at": 2.0, "updated_at": 0} for n in range(2500)]
    database = open_url(url)
    with database.write() as connection:
        connection.execute(jobs.insert(), rows)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0003'")
    changed = []

    def record(connection: sa.Connection, cursor: Any, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE job") or statement == "COMMIT":
            changed.append(statement if statement == "COMMIT" else cursor.rowcount)

    sa.event.listen(sa.Engine, "after_cursor_execute", record)
    try:
        migrate(url)
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", record)
    assert changed == [1000, "COMMIT", 1000, "COMMIT", 500, "COMMIT"]
    times = sa.select(jobs.c.updated_at, jobs.c.ended_at, sa.func.count()).group_by(jobs.c.updated_at, jobs.c.ended_at)
    with database.read() as connection:
        assert [tuple(row) for row in connection.execute(times)] == [(2.0, 2.0, 2500)]


@pytest.mark.parametrize(
    ("table", "column"), [("job", "options"), ("notification", "attempts"), ("session", "rotated_at")]
)
def test_the_error_for_a_missing_column_names_the_command_to_run(
    mariadb_server: MariaDb, open_url: Open, table: str, column: str
) -> None:
    name = mariadb_server.new_database()
    migrate(mariadb_server.url(name))
    mariadb_server.execute(f"ALTER TABLE {name}.{table} DROP COLUMN {column}")
    with pytest.raises(DatabaseUnavailable, match="of an older version: run `soundlift migrate`"):
        open_url(mariadb_server.url(name)).check()


def test_the_mysql_settings_can_configure_tls(mariadb_server: MariaDb, mariadb_url: str, open_url: Open) -> None:
    password = "p@ss:w/rd%?#"
    mariadb_server.execute(f"CREATE USER IF NOT EXISTS 'x y'@'%' IDENTIFIED BY '{password}' REQUIRE SSL")
    mariadb_server.execute("GRANT ALL ON *.* TO 'x y'@'%'")
    environment = {
        "MYSQL_HOST": "127.0.0.1",
        "MYSQL_PORT": str(mariadb_server.port),
        "MYSQL_USER": "x y",
        "MYSQL_PASSWORD": password,
        "MYSQL_DB": mariadb_url.rpartition("/")[2],
    }
    ca = {"MYSQL_SSL_CA": str(mariadb_server.authority.ca_file)}
    open_url(Settings.from_environment({**environment, **ca}).database_url).check()


def test_a_certificate_of_an_unknown_authority_is_rejected(mariadb_url: str, open_url: Open, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    with pytest.raises(DatabaseUnavailable):
        open_url(f"{mariadb_url}?ssl_ca={other.ca_file}").check()


def test_database_url_takes_precedence_over_the_mysql_settings() -> None:
    settings = Settings.from_environment({"MYSQL_HOST": "127.0.0.1", "DATABASE_URL": "sqlite:///x.db"})
    assert settings.database_url == "sqlite:///x.db"
