"""Databases of any kind: URLs, timeouts, repeated transactions, and the meaning of errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from devservers.ports import free_port
from soundlift.common.auth.attempts import Policy
from soundlift.common.auth.password_links import Purpose
from soundlift.common.db import engine as module
from soundlift.common.db.engine import MAX_PAUSE_SECONDS, Database, RolledBack, open_database
from soundlift.common.db.migrations import migrate
from soundlift.common.db.tables import metadata, users
from soundlift.common.errors import DatabaseUnavailable, SettingError
from soundlift.common.jobs.upload_keys import UploadKey
from soundlift.common.services import Services
from tests.factories.api_keys import new_key
from tests.factories.jobs import ready_job, receiving_job
from tests.factories.resumable_uploads import begun_upload
from tests.factories.sessions import begin_session
from tests.factories.webhooks import endpoint
from tests.imports.sources import importing_job

ACCOUNT = {"email": "carl@example.org", "password": "", "admin": False}


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = open_database(sqlite_url)
    yield database
    database.engine.dispose()


@pytest.mark.parametrize("url", ["", "x", "oracle://host/db", "mysql", "mysql://host:port/db", "postgresql"])
def test_an_invalid_url_is_an_error_that_names_the_setting(url: str) -> None:
    with pytest.raises(SettingError, match="Setting DATABASE_URL must be sqlite:///FILE, mysql://") as raised:
        open_database(url)
    assert raised.value.evidence == {"setting": "DATABASE_URL"}


@pytest.mark.parametrize("name", ["mysql", "mariadb", "mysql+pymysql"])
def test_every_name_of_a_server_s_scheme_selects_the_same_driver(name: str) -> None:
    address = open_database(f"{name}://ada:secret@db:3307/soundlift?ssl_ca=/ca.pem").engine.url
    assert address == make_url("mysql+pymysql://ada:secret@db:3307/soundlift?ssl_ca=/ca.pem")


@pytest.mark.parametrize(
    ("use", "seconds"),
    [
        (lambda url: open_database(url).check(), 5),
        (lambda url: open_database(url, seconds=7).check(), 7),
        (migrate, 3600),
    ],
)
def test_a_statement_may_take_seconds_and_a_migration_an_hour(use: Callable[[str], None], seconds: float) -> None:
    parameters: list[dict[str, Any]] = []

    def record(_: object, __: object, ___: object, given: dict[str, Any]) -> None:
        parameters.append(given)

    sa.event.listen(sa.Engine, "do_connect", record)
    try:
        with pytest.raises(DatabaseUnavailable, match="does not answer"):
            use(f"mysql://ada:secret@127.0.0.1:{free_port()}/soundlift")
    finally:
        sa.event.remove(sa.Engine, "do_connect", record)
    limits = ("connect_timeout", "read_timeout", "write_timeout")
    assert [parameters[0][limit] for limit in limits] == [5, seconds, seconds]
    assert parameters[0]["charset"] == "utf8mb4"


@pytest.mark.parametrize("times", [0, 1, 5, 6])
def test_a_transaction_that_was_rolled_back_is_retried_up_to_five_times(
    database: Database, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    attempts, pauses = iter(range(10)), []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=pauses.append))

    def work(connection: sa.Connection) -> str:
        connection.execute(users.insert().values(ACCOUNT))
        if next(attempts) < times:
            raise RolledBack("The database is too busy.")
        return "done"

    if times > 5:
        with pytest.raises(RolledBack):
            database.transact(work)
    else:
        assert database.transact(work) == "done"
    assert next(attempts) == min(times, 5) + 1
    assert len(pauses) == min(times, 5)
    assert all(0 <= pause <= MAX_PAUSE_SECONDS for pause in pauses)
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(users)) == int(times <= 5)


def test_any_other_error_rolls_the_transaction_back_without_a_retry(database: Database) -> None:
    attempts = []

    def work(connection: sa.Connection) -> None:
        attempts.append(connection.execute(users.insert().values(ACCOUNT)))
        raise sa.exc.OperationalError("COMMIT", {}, pymysql.err.OperationalError(2013, "Lost connection"))

    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        database.transact(work)
    assert len(attempts) == 1
    with database.read() as connection:
        assert connection.execute(users.select()).all() == []


def _mysql_error(number: int) -> sa.exc.DBAPIError:
    return sa.exc.OperationalError("SELECT 1", {}, pymysql.err.OperationalError(number, "no\n  more"))


def _postgresql_error(state: str) -> sa.exc.DBAPIError:
    return sa.exc.OperationalError("SELECT 1", {}, psycopg.errors.lookup(state)("no\n  more"))


@pytest.mark.parametrize(
    ("error", "kind", "sentence", "cause"),
    [
        (_mysql_error(1205), RolledBack, "The database is too busy.", r"(1205, 'no\n more')"),
        (_mysql_error(1213), RolledBack, "The database is too busy.", r"(1213, 'no\n more')"),
        (_mysql_error(1146), DatabaseUnavailable, "has no tables yet: run `soundlift migrate`", r"(1146, 'no\n more')"),
        (_mysql_error(1054), DatabaseUnavailable, "older version: run `soundlift migrate`", r"(1054, 'no\n more')"),
        (_mysql_error(2013), DatabaseUnavailable, "does not answer", r"(2013, 'no\n more')"),
        (_postgresql_error("40001"), RolledBack, "The database is too busy.", "no more"),
        (_postgresql_error("40P01"), RolledBack, "The database is too busy.", "no more"),
        (_postgresql_error("55P03"), RolledBack, "The database is too busy.", "no more"),
        (_postgresql_error("42P01"), DatabaseUnavailable, "has no tables yet: run `soundlift migrate`", "no more"),
        (_postgresql_error("42703"), DatabaseUnavailable, "older version: run `soundlift migrate`", "no more"),
        (_postgresql_error("25006"), DatabaseUnavailable, "is read-only: use the primary server", "no more"),
        (_postgresql_error("53100"), DatabaseUnavailable, "is full: free some space", "no more"),
        (_postgresql_error("57P01"), DatabaseUnavailable, "does not answer", "no more"),
        (sa.exc.OperationalError("", {}, Exception()), DatabaseUnavailable, "does not answer", ""),
        (sa.exc.OperationalError("", {}, Exception("a\n b")), DatabaseUnavailable, "does not answer", "a b"),
        (sa.exc.TimeoutError("none\nis free"), DatabaseUnavailable, "does not answer", "none is free"),
    ],
)  # fmt: skip
def test_a_driver_error_is_raised_with_its_cause_and_what_to_do(
    database: Database, error: Exception, kind: type[Exception], sentence: str, cause: str
) -> None:
    for use in (database.read, database.write):
        with pytest.raises(DatabaseUnavailable, match=sentence) as unavailable, use():
            raise error
        assert (type(unavailable.value), unavailable.value.evidence) == (kind, {"cause": cause})


def test_the_error_for_a_file_without_tables_names_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="no tables yet: run `soundlift migrate`"):
        open_database(f"sqlite:///{tmp_path}/empty.db").check()


def test_no_table_has_a_foreign_key_since_sqlite_would_not_enforce_it() -> None:
    assert [key for table in metadata.tables.values() for key in table.foreign_keys] == []


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.write() as writer:
        writer.execute(users.insert().values(ACCOUNT))
        with database.read() as reader:
            assert reader.execute(users.select()).all() == []


def test_a_check_reads_one_row_of_each_table(services: Services) -> None:
    for number in range(2):
        endpoint(services, f"https://hooks.example.org/{number}")
        importing_job(services)
        begun_upload(services)
        ready_job(services)
        receiving_job(services, key=UploadKey("ada@example.org", str(number)))
        begin_session(services)
        new_key(services)
        services.password_links.request(f"{len(services.password_links.due())}@example.org", Purpose.SIGN_UP)
    for number in range(2):
        assert services.jobs.delete(ready_job(services).id)
        services.attempts.count(Policy("test", "Too many tests.", free=2, window_seconds=60), str(number))
    statements: list[tuple[str, Any]] = []

    def record(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        statements.append((statement, parameters))

    sa.event.listen(services.database.engine, "before_cursor_execute", record)
    services.database.check()
    sa.event.remove(services.database.engine, "before_cursor_execute", record)
    with services.database.read() as connection:
        queries = [each for each in statements if each[0].startswith("SELECT")]
        assert [len(connection.exec_driver_sql(*query).all()) for query in queries] == [1] * len(queries)
