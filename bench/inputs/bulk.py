"""Inserts many rows in a short time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import sqlalchemy as sa

from soundlift.common.db.engine import Database

BATCH_ROWS = 5000

Values = dict[str, Any]
Rows = Mapping[sa.Table, Iterable[Values]]


def insert_in_bulk(database: Database, rows: Rows) -> None:
    """Insert rows into tables, whose indexes are built afterwards: that takes a fraction of the time."""
    indexes = [index for table in rows for index in table.indexes]
    with database.write() as connection:
        for index in indexes:
            index.drop(connection)
    for table, values in rows.items():
        insert_in_batches(database, table, values)
    with database.write() as connection:
        for index in indexes:
            index.create(connection)
    if database.engine.dialect.name == "mysql":  # the planner's statistics are stale after a bulk load
        names = ", ".join(f"`{table.name}`" for table in rows)
        with database.write() as connection:
            connection.execute(sa.text(f"ANALYZE TABLE {names}"))


def insert_in_batches(database: Database, table: sa.Table, values: Iterable[Values]) -> None:
    """Insert rows into a table, a batch in a transaction."""
    remaining = iter(values)
    while batch := list(islice(remaining, BATCH_ROWS)):
        with database.write() as connection:
            connection.execute(sa.insert(table), batch)
