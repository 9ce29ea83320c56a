"""Opens the database and holds its tables; every driver error leaves as DatabaseUnavailable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from soundlift.common.errors import DatabaseUnavailable, SettingError

BUSY_TIMEOUT_SECONDS = 10

metadata = sa.MetaData()

users = sa.Table(
    "user",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("email", sa.String(254), nullable=False, unique=True),
    sa.Column("password", sa.String(255), nullable=False),
    sa.Column("admin", sa.Boolean, nullable=False, default=False),
)

jobs = sa.Table(
    "job",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("username", sa.String(254), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("file_name", sa.String(255), nullable=False),
    sa.Column("content_type", sa.String(100), nullable=False),
    sa.Column("video_fid", sa.String(24), nullable=False),
    sa.Column("video_bytes", sa.BigInteger),
    sa.Column("mp3_fid", sa.String(24), unique=True),
    sa.Column("mp3_bytes", sa.BigInteger),
    sa.Column("length", sa.Double),
    sa.Column("percent", sa.Integer, nullable=False, default=0),
    sa.Column("error_code", sa.String(32)),
    sa.Column("error", sa.String(1000)),
    sa.Column("last_cause", sa.String(1000)),
    sa.Column("claim", sa.String(24)),
    sa.Column("claimed_until", sa.Double),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("due_at", sa.Double, index=True),
    sa.Column("sent", sa.Integer, nullable=False, default=0),
    sa.Column("told_at", sa.Double),
    sa.Column("mail_error", sa.String(1000)),
    sa.Column("traceparent", sa.String(100)),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("changed_at", sa.Double, nullable=False),
    sa.Index("job_of_user", "username", "created_at"),
    sa.Index("job_in_state", "state", "changed_at"),
)


class now(FunctionElement[float]):  # noqa: N801 - reads as the SQL function it is
    """Is the database's own clock, in seconds since 1970 with a fraction."""

    name = "now"
    type = sa.Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_on_sqlite(element: now, compiler: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "mysql")
def _now_on_mysql(element: now, compiler: Any, **options: Any) -> str:
    return "CAST(UNIX_TIMESTAMP(SYSDATE(6)) AS DOUBLE)"


class Database:
    """Runs transactions on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that may write; commit it at the end.

        Raises DatabaseUnavailable.
        """
        with _driver_errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that only reads, and so waits for no writer.

        Raises DatabaseUnavailable.
        """
        with _driver_errors(), self.engine.connect().execution_options(sqlite_begin="BEGIN") as connection:
            yield connection

    def check(self) -> None:
        """Raise DatabaseUnavailable unless the job table answers."""
        with self.read() as connection:
            connection.execute(sa.select(jobs.c.id).limit(1)).all()


@contextmanager
def _driver_errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except (DBAPIError, sa.exc.TimeoutError) as error:
        raise DatabaseUnavailable("The database does not answer.", cause=str(error)) from error


def open_database(url: str) -> Database:
    """Make the engine for a SQLAlchemy URL, without connecting.

    Raises SettingError where DATABASE_URL is no URL of a database we can speak to.
    """
    try:
        address = make_url(url)
        engine = sa.create_engine(address, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise SettingError(f"Setting DATABASE_URL is not usable: {error}.", setting="DATABASE_URL") from None
    if engine.dialect.name == "sqlite":
        _tame_sqlite(engine)
    return Database(engine)


def _tame_sqlite(engine: Engine) -> None:
    """Let transactions begin when we say so, and queue for the one writer at their start.

    A deferred transaction that turns into a write fails at once when another has written since
    (https://www.sqlite.org/lang_transaction.html); BEGIN IMMEDIATE waits its turn instead.
    """

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(options.get("sqlite_begin", "BEGIN IMMEDIATE"))
