"""The connection to the database; every driver error is raised as DatabaseUnavailable."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from soundlift.common.db.tables import metadata
from soundlift.common.errors import DatabaseUnavailable, SettingError

BUSY_TIMEOUT_SECONDS = 10
MYSQL_DRIVER = "mysql+pymysql"
SERVER_SECONDS = 5.0  # for one connect, read or write
POOL = {"pool_size": 8, "max_overflow": 32, "pool_timeout": SERVER_SECONDS, "pool_recycle": 600}
# The server rolls a transaction back whose process sends nothing for this long, so that no change is committed long
# after the time that it records (see jobs/cursor.py).
IDLE_SECONDS = 60
# UTC has no daylight saving time, so the clock never jumps. A lock wait must end before the read timeout does.
MYSQL_SESSION = "SET time_zone = '+00:00', innodb_lock_wait_timeout = 3, wait_timeout = {idle_seconds}"
# Numbers of MySQL's errors, and PostgreSQL's SQLSTATEs (https://www.postgresql.org/docs/current/errcodes-appendix.html)
ROLLED_BACK = (1205, 1213, "40001", "40P01", "55P03")  # a deadlock, or a long wait for a lock
SENTENCES: dict[object, str] = {
    1054: "The database has tables of an older version: run `soundlift migrate`.",
    "42703": "The database has tables of an older version: run `soundlift migrate`.",
    1146: "The database has no tables yet: run `soundlift migrate`.",
    "42P01": "The database has no tables yet: run `soundlift migrate`.",
    "25006": "The database is read-only: use the primary server.",
    "53100": "The disk of the database is full: free some space on it.",
}
SQLITE_ERRORS = {
    "no such table": "The database has no tables yet: run `soundlift migrate`.",
    "no such column": "The database has tables of an older version: run `soundlift migrate`.",
    "readonly database": "The database is read-only: give this user the right to write its file and its folder.",
    "unable to open database file": "The database file cannot be opened: check that its folder exists, and its rights.",
    "database or disk is full": "The disk of the database is full: free some space on it.",
    "disk I/O error": "The disk of the database is full or damaged: free some space on it, and check it.",
    "file is not a database": "The database file is damaged, or not a database: restore it from a backup.",
    "disk image is malformed": "The database file is damaged, or not a database: restore it from a backup.",
}
MAX_RETRIES = 5
MAX_PAUSE_SECONDS = 0.1

Result = TypeVar("Result")


class RolledBack(DatabaseUnavailable):
    """A rollback by the database, to let another transaction proceed."""


class Database:
    """Transactions on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that may write; commit it at the end.

        Raises DatabaseUnavailable.
        """
        with _driver_errors(), self.engine.begin() as connection:
            yield connection

    def change(self, statement: sa.Executable) -> int:
        """Execute one statement as one transaction, and return how many rows it matched.

        The statement is repeated under the same conditions as in `transact`. Raises DatabaseUnavailable.
        """
        return self.transact(lambda connection: int(connection.execute(statement).rowcount))

    def transact(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a transaction that may write, and return its result.

        After a deadlock or a long wait for a lock, the database rolls the transaction back, so that it has no effect,
        and `work` is run again. Raises DatabaseUnavailable, and any error of `work`, which also rolls it back.
        """
        for _ in range(MAX_RETRIES):
            try:
                return self._transact_once(work)
            except RolledBack:
                time.sleep(random.uniform(0, MAX_PAUSE_SECONDS))  # noqa: S311 - the pause need not be unpredictable
        return self._transact_once(work)

    def _transact_once(self, work: Callable[[Connection], Result]) -> Result:
        with self.write() as connection:
            return work(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that only reads, and therefore never waits for a writer.

        Raises DatabaseUnavailable.
        """
        with _driver_errors(), self.engine.connect().execution_options(sqlite_begin="BEGIN") as connection:
            yield connection

    def check(self) -> None:
        """Raise DatabaseUnavailable unless the tables that functions use exist, with every column."""
        with self.read() as connection:
            for table in metadata.sorted_tables:
                connection.execute(sa.select(table).limit(1)).all()


@contextmanager
def _driver_errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except (DBAPIError, sa.exc.TimeoutError) as error:
        raise _unavailable(error) from error


def _unavailable(error: DBAPIError | sa.exc.TimeoutError) -> DatabaseUnavailable:
    driver_error = error.orig if isinstance(error, DBAPIError) else None
    # SQLAlchemy's own text adds the statement and a link, each on a separate line; psycopg's a part of the statement.
    message = getattr(getattr(driver_error, "diag", None), "message_primary", None)
    cause = " ".join(str(message or driver_error or error.args[0]).split())
    code = error_code(driver_error)
    if code in ROLLED_BACK:
        return RolledBack("The database is too busy.", cause=cause)
    by_text = next((text for part, text in SQLITE_ERRORS.items() if part in cause), "The database does not answer.")
    return DatabaseUnavailable(SENTENCES.get(code, by_text), cause=cause)


def error_code(driver_error: BaseException | None) -> object:
    """Return MySQL's number or PostgreSQL's SQLSTATE of an error; None if it has neither."""
    number = next(iter(driver_error.args), None) if driver_error else None
    return number if isinstance(number, int) else getattr(driver_error, "sqlstate", None)


def open_database(url: str, *, seconds: float = SERVER_SECONDS) -> Database:
    """Create the engine for a SQLAlchemy URL without connecting; a server may take `seconds` for each statement.

    Raises SettingError unless DATABASE_URL is the URL of a supported database.
    """
    try:
        return Database(_create_engine(make_url(url), seconds))
    except (ArgumentError, ValueError):
        message = (
            "Setting DATABASE_URL must be sqlite:///FILE, mysql://USER:PASSWORD@HOST:PORT/DATABASE "
            "or postgresql://USER:PASSWORD@HOST:PORT/DATABASE."
        )
        raise SettingError(message, setting="DATABASE_URL") from None


def _create_engine(address: URL, seconds: float) -> Engine:
    match address.get_backend_name():
        case "sqlite":
            engine = sa.create_engine(address)
            _control_sqlite_transactions(engine)
            return engine
        case "mysql" | "mariadb":
            return _mysql_engine(address.set(drivername=MYSQL_DRIVER), seconds)
        case "postgresql" | "postgres":
            return _postgresql_engine(address, seconds)
        case name:
            raise ValueError(name)


def _mysql_engine(address: URL, seconds: float) -> Engine:
    """Return an engine whose statements see everything that was committed before they started.

    READ COMMITTED also locks no gaps between rows, so steps of different jobs do not block each other. A connection
    that the server has closed, for example because it was idle, is detected before use, and replaced.
    """
    session = MYSQL_SESSION.format(idle_seconds=round(_idle_seconds(seconds)))
    limits = {"connect_timeout": SERVER_SECONDS, "read_timeout": seconds, "write_timeout": seconds}
    return sa.create_engine(
        address,
        connect_args={"charset": "utf8mb4", "init_command": session, **limits},
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        **POOL,
    )


def _postgresql_engine(address: URL, seconds: float) -> Engine:
    from soundlift.common.db.postgresql import postgresql_engine

    limits = {"connect_seconds": SERVER_SECONDS, "idle_seconds": _idle_seconds(seconds)}
    return postgresql_engine(address, seconds=seconds, pool=POOL, **limits)


def _idle_seconds(seconds: float) -> float:
    """Return how long a transaction may send nothing whose statements may take `seconds`."""
    return max(IDLE_SECONDS, seconds)


def _control_sqlite_transactions(engine: Engine) -> None:
    """Begin transactions explicitly, and make each one wait for the write lock at its start.

    A deferred transaction that later writes fails immediately if another process has written in the meantime
    (https://www.sqlite.org/lang_transaction.html); BEGIN IMMEDIATE waits instead.
    """

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(options.get("sqlite_begin", "BEGIN IMMEDIATE"))
