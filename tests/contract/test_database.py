"""What holds for every database: its address, how long it may take, what is repeated, and what each error means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from devservers.ports import free_port
from soundlift.common.db import engine as module
from soundlift.common.db.engine import MAX_PAUSE_SECONDS, Database, RolledBack, open_database
from soundlift.common.db.migrations import migrate
from soundlift.common.db.tables import metadata, users
from soundlift.common.errors import DatabaseUnavailable, SettingError
from soundlift.common.services import Services
from tests.factories.jobs import ready_job

ACCOUNT = {"email": "carl@example.org", "password": "", "admin": False}


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = open_database(sqlite_url)
    yield database
    database.engine.dispose()


@pytest.mark.parametrize("url", ["", "x", "postgresql://host/db", "mysql", "mysql://host:port/db"])
def test_an_address_of_no_database_is_a_clear_error(url: str) -> None:
    with pytest.raises(SettingError, match="Setting DATABASE_URL must be sqlite:///FILE or mysql://") as refused:
        open_database(url)
    assert refused.value.evidence == {"setting": "DATABASE_URL"}


@pytest.mark.parametrize("name", ["mysql", "mariadb", "mysql+pymysql"])
def test_a_server_is_spoken_to_by_the_one_driver_at_its_own_address(name: str) -> None:
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
def test_a_server_has_seconds_for_a_statement_and_an_hour_for_a_migration(
    use: Callable[[str], None], seconds: float
) -> None:
    asked: list[dict[str, Any]] = []

    def note(_: object, __: object, ___: object, parameters: dict[str, Any]) -> None:
        asked.append(parameters)

    sa.event.listen(sa.Engine, "do_connect", note)
    try:
        with pytest.raises(DatabaseUnavailable, match="does not answer"):
            use(f"mysql://ada:secret@127.0.0.1:{free_port()}/soundlift")
    finally:
        sa.event.remove(sa.Engine, "do_connect", note)
    limits = ("connect_timeout", "read_timeout", "write_timeout")
    assert [asked[0][limit] for limit in limits] == [5, seconds, seconds]
    assert asked[0]["charset"] == "utf8mb4"


@pytest.mark.parametrize("times", [0, 1, 5, 6])
def test_a_transaction_that_the_database_rolled_back_is_repeated_up_to_five_times(
    database: Database, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    tries, pauses = iter(range(10)), []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=pauses.append))

    def work(connection: sa.Connection) -> str:
        connection.execute(users.insert().values(ACCOUNT))
        if next(tries) < times:
            raise RolledBack("The database is too busy.")
        return "done"

    if times > 5:
        with pytest.raises(RolledBack):
            database.transact(work)
    else:
        assert database.transact(work) == "done"
    assert next(tries) == min(times, 5) + 1
    assert len(pauses) == min(times, 5)
    assert all(0 <= pause <= MAX_PAUSE_SECONDS for pause in pauses)
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(users)) == int(times <= 5)


def test_any_other_error_is_not_repeated_and_undoes_the_transaction(database: Database) -> None:
    tries = []

    def work(connection: sa.Connection) -> None:
        tries.append(connection.execute(users.insert().values(ACCOUNT)))
        raise sa.exc.OperationalError("COMMIT", {}, pymysql.err.OperationalError(2013, "Lost connection"))

    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        database.transact(work)
    assert len(tries) == 1
    with database.read() as connection:
        assert connection.execute(users.select()).all() == []


def _of_server(number: int) -> sa.exc.DBAPIError:
    return sa.exc.OperationalError("SELECT 1", {}, pymysql.err.OperationalError(number, "no\n  more"))


@pytest.mark.parametrize(
    ("error", "kind", "sentence", "cause"),
    [
        (_of_server(1205), RolledBack, "The database is too busy.", r"(1205, 'no\n more')"),
        (_of_server(1213), RolledBack, "The database is too busy.", r"(1213, 'no\n more')"),
        (_of_server(1146), DatabaseUnavailable, "has no tables yet: run `soundlift migrate`", r"(1146, 'no\n more')"),
        (_of_server(1054), DatabaseUnavailable, "older version: run `soundlift migrate`", r"(1054, 'no\n more')"),
        (_of_server(2013), DatabaseUnavailable, "does not answer", r"(2013, 'no\n more')"),
        (sa.exc.OperationalError("", {}, Exception()), DatabaseUnavailable, "does not answer", ""),
        (sa.exc.OperationalError("", {}, Exception("a\n b")), DatabaseUnavailable, "does not answer", "a b"),
        (sa.exc.TimeoutError("none\nis free"), DatabaseUnavailable, "does not answer", "none is free"),
    ],
)  # fmt: skip
def test_each_error_of_a_driver_says_whether_to_repeat_to_migrate_or_to_wait(
    database: Database, error: Exception, kind: type[Exception], sentence: str, cause: str
) -> None:
    for use in (database.read, database.write):
        with pytest.raises(DatabaseUnavailable, match=sentence) as unavailable, use():
            raise error
        assert (type(unavailable.value), unavailable.value.evidence) == (kind, {"cause": cause})


def test_a_file_without_tables_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="no tables yet: run `soundlift migrate`"):
        open_database(f"sqlite:///{tmp_path}/empty.db").check()


def test_no_table_has_a_foreign_key_which_sqlite_would_not_enforce() -> None:
    assert [key for table in metadata.tables.values() for key in table.foreign_keys] == []


def test_who_reads_waits_for_no_writer(database: Database) -> None:
    with database.write() as writer:
        writer.execute(users.insert().values(ACCOUNT))
        with database.read() as reader:
            assert reader.execute(users.select()).all() == []


def test_a_check_reads_one_row_of_a_table_however_many_there_are(services: Services) -> None:
    for _ in range(2):
        ready_job(services)
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        asked.append((statement, parameters))

    sa.event.listen(services.database.engine, "before_cursor_execute", note)
    services.database.check()
    sa.event.remove(services.database.engine, "before_cursor_execute", note)
    with services.database.read() as connection:
        selected = [one for one in asked if one[0].startswith("SELECT")]
        assert [len(connection.exec_driver_sql(*one).all()) for one in selected] == [1, 1, 1]
