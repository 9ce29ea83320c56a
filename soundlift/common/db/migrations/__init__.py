"""Brings the tables of a database up to date, with Alembic."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url

from soundlift.common.db.engine import Database, open_database
from soundlift.common.db.write_ahead_log import use_write_ahead_log
from soundlift.common.errors import DatabaseUnavailable

LOCK = "soundlift-migrate"
LOCK_SECONDS = 5
LONGEST_WAIT_SECONDS = 120
LONGEST_STEP_SECONDS = 3600  # an index of a large table


def migrate(url: str) -> None:
    """Run the migrations that the database at a SQLAlchemy URL has not had; a SQLite file is created.

    Raises SettingError or DatabaseUnavailable. Of several at once, each waits for the one before it, and the last
    ones find nothing to do.
    """
    database = open_database(url, seconds=LONGEST_STEP_SECONDS)
    try:
        with _alone(database), database.write() as connection:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
            command.upgrade(config, "head")
        _keep_readers_going(database)
    finally:
        database.engine.dispose()


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Wait until nobody else migrates; SQLite's transaction does that by itself.

    The lock has a connection of its own, so that it is held until the migrations' transaction is committed: the next
    one would else still read the version before.
    """
    if database.engine.dialect.name == "sqlite":
        yield
        return
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    with database.read() as connection:
        while not connection.scalar(sa.select(sa.func.get_lock(LOCK, LOCK_SECONDS))):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable("Another migration does not end.")
        try:
            yield
        finally:
            connection.scalar(sa.select(sa.func.release_lock(LOCK)))


def _keep_readers_going(database: Database) -> None:
    file = make_url(database.engine.url).database
    if database.engine.dialect.name == "sqlite" and file:
        with closing(sqlite3.connect(file)) as connection:
            use_write_ahead_log(connection)
