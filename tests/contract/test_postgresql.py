"""PostgreSQL: limits of time behind a proxy, text that it cannot store, migrations in one transaction, and TLS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from devservers.certificates import Authority
from devservers.postgresql import PostgreSql
from devservers.waiting import wait_for
from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.engine import Database, open_database
from soundlift.common.db.migrations import LOCK_NUMBER, migrate
from soundlift.common.db.tables import UPLOAD_LOCKS, jobs, metadata, upload_locks, users
from soundlift.common.errors import DatabaseUnavailable
from soundlift.common.services import Services
from tests.factories.jobs import job_now, queued_job, receiving_job

ADA = "ada@example.org"
Open = Callable[..., Database]


@pytest.fixture
def open_url(postgresql_server: PostgreSql) -> Iterator[Open]:
    """Return a function that opens databases, whose connections are closed after the test."""
    with ExitStack() as stack:

        def open_url(url: str, **options: float) -> Database:
            database = open_database(url, **options)
            stack.callback(database.engine.dispose)
            return database

        yield open_url


@pytest.fixture
def database_url(postgresql_url: str) -> str:
    return postgresql_url


@pytest.fixture
def database(open_url: Open, database_url: str) -> Database:
    return open_url(database_url)


def _one(database: Database, query: str) -> Any:
    with database.read() as connection:
        return connection.scalar(sa.text(query))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_name_of_the_scheme_selects_the_same_driver(scheme: str) -> None:
    address = open_database(f"{scheme}://ada:secret@db/soundlift?sslmode=verify-full").engine.url
    assert address.render_as_string(False) == "postgresql+psycopg://ada:secret@db/soundlift?sslmode=verify-full"


def test_a_proxy_of_transactions_gets_no_option_and_every_transaction_has_its_limits(database: Database) -> None:
    """PgBouncer refuses options of the startup message, and keeps neither settings nor prepared statements."""
    for _ in range(10):
        assert _one(database, "SHOW statement_timeout") == "4500ms"
    assert _one(database, "SHOW lock_timeout") == "3s"
    assert _one(database, "SHOW idle_in_transaction_session_timeout") == "1min"
    assert _one(database, "SHOW transaction_isolation") == "read committed"
    assert _one(database, "SELECT count(*) FROM pg_prepared_statements") == 0
    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        assert "options" not in driver.info.get_parameters()
        assert driver.execute("SHOW lock_timeout").fetchone() == ("0",)
        assert driver.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_the_server_ends_a_statement_that_takes_too_long(postgresql_server: PostgreSql, open_url: Open) -> None:
    database = open_url(postgresql_server.url("postgres"), seconds=1)
    with pytest.raises(DatabaseUnavailable) as unavailable:
        _one(database, "SELECT pg_sleep(60)")
    assert "statement timeout" in str(unavailable.value.evidence["cause"])
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(6%'"
    assert postgresql_server.query(f"{running} AND pid <> pg_backend_pid()") == 0


def test_a_change_that_waits_long_for_a_lock_is_made_when_the_lock_is_free(database: Database) -> None:
    with database.write() as connection:
        connection.execute(users.insert().values(email="a", password="", admin=False))
    failed: list[str] = []

    def record(context: Any) -> None:
        failed.append(context.original_exception.sqlstate)

    sa.event.listen(database.engine, "handle_error", record)
    with ThreadPoolExecutor() as pool:
        with database.write() as connection:
            connection.execute(sa.update(users).values(password="held"))
            waiting = pool.submit(database.change, sa.update(users).values(password="wanted"))
            wait_for(lambda: failed, "the other connection has waited in vain")
        assert waiting.result(timeout=60) == 1
    assert set(failed) == {"55P03"}


def test_both_clocks_go_on_within_a_transaction(database: Database) -> None:
    for clock in (now, statement_start):
        with database.read() as connection:
            times = [float(connection.scalar(sa.select(clock())) or 0) for _ in range(3)]
        assert times[0] < times[1] < times[2]
        assert abs(times[0] - time.time()) < 5


def test_nul_which_postgresql_cannot_store_is_replaced_and_finds_nobody(services: Services) -> None:
    assert job_now(services, receiving_job(services, "a\0b.mp4").id).file_name == "a\ufffdb.mp4"
    assert services.users.find(f"{ADA}\0") is None
    assert services.users.find(f"\0{ADA}") is None
    assert services.jobs.page(f"{ADA}\0") == []


def test_an_address_is_found_in_any_case_and_belongs_to_one_account(services: Services) -> None:
    assert services.users.find(" ADA@Example.org ") == services.users.find(ADA)
    with pytest.raises(Exception, match="already has an account"):
        services.users.add("ADA@example.ORG", "hash")


def test_a_read_only_server_is_an_error_that_says_so(postgresql_server: PostgreSql, services: Services) -> None:
    job, name = queued_job(services), services.settings.database_url.rpartition("/")[2]
    postgresql_server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        services.database.engine.dispose()
        with pytest.raises(DatabaseUnavailable, match="is read-only: use the primary server"):
            services.jobs.cancel(job.id)
        assert services.jobs.find(job.id) == job
    finally:
        postgresql_server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


def test_the_tables_are_those_of_the_code(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.scalar(sa.select(sa.func.count()).select_from(upload_locks)) == UPLOAD_LOCKS


def test_an_interrupted_migration_leaves_nothing_and_can_be_run_again(
    postgresql_server: PostgreSql, open_url: Open
) -> None:
    name = postgresql_server.new_database()

    def interrupt(_: object, __: object, statement: str, *___: object) -> None:
        if "CREATE TABLE IF NOT EXISTS deletion" in statement:
            raise KeyboardInterrupt

    sa.event.listen(sa.Engine, "before_cursor_execute", interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            migrate(postgresql_server.url(name))
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", interrupt)
    assert postgresql_server.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database=name) == 0
    migrate(postgresql_server.url(name))
    open_url(postgresql_server.url(name)).check()


def test_a_migration_waits_for_another_one_until_its_changes_can_be_seen(postgresql_server: PostgreSql) -> None:
    name = postgresql_server.new_database()
    with ThreadPoolExecutor() as pool, psycopg.connect(postgresql_server.url(name)) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_NUMBER])
        waiting = pool.submit(migrate, postgresql_server.url(name))
        tried = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_try_advisory_xact_lock%' AND pid <> "
        wait_for(lambda: postgresql_server.query(f"{tried} pg_backend_pid()"), "the other migration tries")
        assert postgresql_server.query("SELECT count(*) FROM pg_tables WHERE tablename = 'job'", database=name) == 0
        other.rollback()
        waiting.result(timeout=60)


@pytest.mark.parametrize(("table", "column"), [("job", "options"), ("session", "rotated_at")])
def test_the_error_for_a_missing_column_names_the_command_to_run(
    postgresql_server: PostgreSql, open_url: Open, table: str, column: str
) -> None:
    name = postgresql_server.new_database()
    migrate(postgresql_server.url(name))
    postgresql_server.execute(f"ALTER TABLE {table} DROP COLUMN {column}", database=name)
    with pytest.raises(DatabaseUnavailable, match="of an older version: run `soundlift migrate`"):
        open_url(postgresql_server.url(name)).check()


def test_the_url_can_require_a_certificate_of_a_known_authority(
    postgresql_server: PostgreSql, open_url: Open, tmp_path: Path
) -> None:
    password = "p@ss:w/rd%?#"
    postgresql_server.execute("DROP ROLE IF EXISTS x", f"CREATE ROLE x LOGIN PASSWORD '{password}'")
    url = postgresql_server.url("postgres", user="x", password=quote(password, safe=""))
    verified = f"{url}?sslmode=verify-full&sslrootcert="
    with postgresql_server.tls():
        encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert _one(open_url(f"{verified}{postgresql_server.authority.ca_file}"), encrypted) is True
        with pytest.raises(DatabaseUnavailable):
            _one(open_url(f"{verified}{Authority(tmp_path).ca_file}"), "SELECT 1")


def test_the_owner_of_a_job_is_compared_exactly(services: Services) -> None:
    job = queued_job(services)
    assert [found.id for found in services.jobs.page(ADA)] == [job.id]
    assert services.jobs.page(ADA.upper()) == []
    with services.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).where(jobs.c.id == job.id.upper())) == 0
