"""Brings the tables of a database up to date, with Alembic."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url

from soundlift.common.database import Database, open_database
from soundlift.common.write_ahead_log import use_write_ahead_log


def migrate(url: str) -> None:
    """Run the migrations that the database at a SQLAlchemy URL has not had; a SQLite file is created.

    Raises SettingError or DatabaseUnavailable. Of several at once on one SQLite file, each waits for the one
    before it, and the last ones find nothing to do.
    """
    database = open_database(url)
    try:
        with database.write() as connection:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
            command.upgrade(config, "head")
        _keep_readers_going(database)
    finally:
        database.engine.dispose()


def _keep_readers_going(database: Database) -> None:
    file = make_url(database.engine.url).database
    if database.engine.dialect.name == "sqlite" and file:
        with closing(sqlite3.connect(file)) as connection:
            use_write_ahead_log(connection)
