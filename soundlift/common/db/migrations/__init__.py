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
LOCK_SECONDS = 5
MAX_WAIT_SECONDS = 120
MAX_STEP_SECONDS = 3600  # creating an index on a large table takes long


def migrate(url: str) -> None:
    """Apply the pending migrations to the database at a SQLAlchemy URL; a SQLite file is created.

    Concurrent calls run one after another; all but the first find nothing to do. Raises SettingError or
    DatabaseUnavailable.
    """
    database = open_database(url, seconds=MAX_STEP_SECONDS)
    try:
        with _migration_lock(database), database.write() as connection:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
            _upgrade(config)
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


def _upgrade(config: Config) -> None:
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        message = "The database has tables of an unknown version: use the release that created them, or a new database."
        raise DatabaseUnavailable(message, cause=str(error)) from None


@contextmanager
def _migration_lock(database: Database) -> Iterator[None]:
    """Wait until no other process is migrating; on SQLite the transaction itself waits.

    The lock has its own connection, so that it is held until the migration's transaction is committed. The next
    process would otherwise still read the old version.
    """
    if database.engine.dialect.name == "sqlite":
        yield
        return
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    with database.read() as connection:
        while not connection.scalar(sa.select(sa.func.get_lock(LOCK, LOCK_SECONDS))):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable("Another migration is still running: run `soundlift migrate` again later.")
        try:
            yield
        finally:
            connection.scalar(sa.select(sa.func.release_lock(LOCK)))


def _use_write_ahead_log(database: Database) -> None:
    file = make_url(database.engine.url).database
    if database.engine.dialect.name == "sqlite" and file:
        with closing(sqlite3.connect(file)) as connection:
            use_write_ahead_log(connection)
