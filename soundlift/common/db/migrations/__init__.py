"""Migrations of the database, run by Alembic."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection, make_url

from soundlift.common.db.engine import Database, open_database
from soundlift.common.db.write_ahead_log import use_write_ahead_log
from soundlift.common.errors import DatabaseUnavailable

LOCK = "soundlift-migrate"
LOCK_NUMBER = 7_310_867_224  # of the same lock on PostgreSQL, where it is of one database; any constant
LOCK_SECONDS = 5
POLL_SECONDS = 0.1
MAX_WAIT_SECONDS = 120
MAX_STEP_SECONDS = 3600  # creating an index on a large table takes long
STILL_RUNNING = "Another migration is still running: run `soundlift migrate` again later."


def migrate(url: str) -> None:
    """Apply the pending migrations to the database at a SQLAlchemy URL; a SQLite file is created.

    Concurrent calls run one after another; all but the first find nothing to do. On PostgreSQL, all migrations are one
    transaction, which is repeated if it waits for a table's lock for long. Raises SettingError or DatabaseUnavailable.
    """
    database = open_database(url, seconds=MAX_STEP_SECONDS)
    try:
        with _migration_lock(database):
            database.transact(_upgrade)
        _use_write_ahead_log(database)
    finally:
        database.engine.dispose()


def revision_of(connection: Connection) -> str | None:
    """Return the version of a database's tables, such as 0010; None if there are no tables."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """Return the version of the tables that this release needs."""
    return _scripts().get_current_head() or ""


def is_known(revision: str) -> bool:
    """Return whether this release can migrate tables of a version; it cannot, if that is of a newer release."""
    return any(script.revision == revision for script in _scripts().walk_revisions())


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent))


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        _lock_on_postgresql(connection)
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        message = "The database has tables of an unknown version: use the release that created them, or a new database."
        raise DatabaseUnavailable(message, cause=str(error)) from None


@contextmanager
def _migration_lock(database: Database) -> Iterator[None]:
    """Wait until no other process is migrating; on SQLite and PostgreSQL the transaction itself waits.

    The lock has its own connection, so that it is held until the migration's transaction is committed. The next
    process would otherwise still read the old version.
    """
    if database.engine.dialect.name != "mysql":
        yield
        return
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    with database.read() as connection:
        while not connection.scalar(sa.select(sa.func.get_lock(LOCK, LOCK_SECONDS))):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(STILL_RUNNING)
        try:
            yield
        finally:
            connection.scalar(sa.select(sa.func.release_lock(LOCK)))


def _lock_on_postgresql(connection: Connection) -> None:
    """Wait until no other process is migrating, and hold a lock until this transaction ends.

    PostgreSQL releases it after the commit can be seen, and a proxy may give each transaction another connection. The
    first statement after the wait sees what the other process has committed.
    """
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(LOCK_NUMBER))):
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(STILL_RUNNING)
        time.sleep(POLL_SECONDS)


def _use_write_ahead_log(database: Database) -> None:
    file = make_url(database.engine.url).database
    if database.engine.dialect.name == "sqlite" and file:
        with closing(sqlite3.connect(file)) as connection:
            use_write_ahead_log(connection)
