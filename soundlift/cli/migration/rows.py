"""The copying of all rows from one database to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs, metadata, upload_locks
from soundlift.common.errors import SoundliftError
from soundlift.common.jobs.model import State
from soundlift.common.jobs.turns import first_turn

PAGE = 400
TABLES = [table for table in metadata.sorted_tables if table is not upload_locks]  # its rows are part of the schema
# What `make_events_due` changes in the target.
CHANGED = (jobs.c.resend_at, jobs.c.turn)

Key = tuple[Any, ...]
Row = dict[str, Any]


class DataDiffer(SoundliftError):
    """A target that has other data than its source."""

    status = 409
    title = "Data Differ"
    code = "data_differ"


@dataclass(frozen=True)
class CopiedRows:
    """How many rows of a table were copied, and how many an earlier run had copied already."""

    table: str
    copied: int
    present: int


def check_target(source: Database, target: Database) -> None:
    """Raise DataDiffer unless the target is empty, or has only rows that an interrupted run copied from the source."""
    for table in TABLES:
        for page in _pages(target, table):
            if _missing(source, table, page):
                raise DataDiffer(
                    f"The target's table {table.name} has rows that the source does not have, so it belongs to another "
                    "deployment, or is in use. Use an empty database, whose tables `soundlift migrate` has created."
                )


def copy_rows(source: Database, target: Database) -> Iterator[CopiedRows]:
    """Copy every table, in pages that are one transaction each, and yield what was done.

    Raises DataDiffer if the target has a row of the same key with other values, and DatabaseUnavailable.
    """
    for table in TABLES:
        copied = present = 0
        for page in _pages(source, table):
            new = _missing(target, table, page)
            if new:
                target.transact(partial(_insert, table, new))
            copied += len(new)
            present += len(page) - len(new)
        yield CopiedRows(table.name, copied, present)


def make_events_due(target: Database) -> None:
    """Make the events of all waiting jobs due, since the queue of the source is not copied; repeats are harmless.

    Jobs that an older release has queued without a turn get the first one: PostgreSQL would sort them last.
    """
    waiting = sa.update(jobs).where(jobs.c.resend_at.is_not(None), jobs.c.resend_at > 0)
    target.change(waiting.values(resend_at=0.0))
    with target.read() as connection:
        turn = first_turn(connection)
    queued = sa.update(jobs).where(jobs.c.state == State.QUEUED, jobs.c.turn.is_(None))
    target.change(queued.values(turn=max(turn, 1)))


def count_rows(database: Database) -> dict[str, int]:
    """Return the number of rows of each table."""
    with database.read() as connection:
        counts = {table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in TABLES}
    return {name: int(count or 0) for name, count in counts.items()}


def _insert(table: sa.Table, rows: list[Row], connection: Connection) -> None:
    connection.execute(sa.insert(table), rows)
    number = table.autoincrement_column
    if number is not None and connection.dialect.name == "postgresql":
        # Other databases number the next row after the greatest number; this one counts only rows without a number.
        sequence = sa.func.pg_get_serial_sequence(f'"{table.name}"', number.name)
        connection.execute(sa.select(sa.func.setval(sequence, sa.select(sa.func.max(number)).scalar_subquery())))


def _pages(database: Database, table: sa.Table) -> Iterator[list[Row]]:
    """Yield all rows, at most PAGE at a time, in the order of the primary key."""
    last: Key | None = None
    while True:
        query = sa.select(table).order_by(*table.primary_key.columns).limit(PAGE)
        if last is not None:
            query = query.where(_is_after(table, last))
        with database.read() as connection:
            rows = [dict(row._mapping) for row in connection.execute(force_index(query, table, "PRIMARY"))]
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        last = _key(table, rows[-1])


def _missing(database: Database, table: sa.Table, page: list[Row]) -> list[Row]:
    """Return the rows of a page that a database does not have; raises DataDiffer if it has others in their place."""
    with database.read() as connection:
        existing = [dict(row._mapping) for row in connection.execute(sa.select(table).where(_has_key_of(table, page)))]
    present = {_key(table, row): row for row in existing}
    for row in page:
        if (found := present.get(_key(table, row))) is not None:
            _require_same(table, row, found)
    return [row for row in page if _key(table, row) not in present]


def _require_same(table: sa.Table, row: Row, found: Row) -> None:
    ignored = {column.name for column in CHANGED if column.table is table}
    if changed := sorted(name for name in row.keys() - ignored if row[name] != found[name]):
        raise DataDiffer(
            f"The row {'/'.join(map(str, _key(table, row)))} of the target's table {table.name} has another "
            f"value of {', '.join(changed)} than the source's: one of them has been used since. Use an empty target."
        )


def _key(table: sa.Table, row: Row) -> Key:
    return tuple(row[column.name] for column in table.primary_key.columns)


def _has_key_of(table: sa.Table, page: list[Row]) -> sa.ColumnElement[bool]:
    columns = list(table.primary_key.columns)
    if len(columns) == 1:
        return columns[0].in_([row[columns[0].name] for row in page])
    return sa.or_(*(sa.and_(*(column == row[column.name] for column in columns)) for row in page))


def _is_after(table: sa.Table, key: Key) -> sa.ColumnElement[bool]:
    """Select the rows after a key. MariaDB uses no index for a comparison of tuples, but for this form of it."""
    columns = list(table.primary_key.columns)
    alternatives = []
    for position, column in enumerate(columns):
        same = [columns[i] == key[i] for i in range(position)]
        alternatives.append(sa.and_(*same, column > key[position]))
    return sa.or_(*alternatives)


def latest_change(database: Database) -> tuple[dict[str, int], float]:
    """Return the number of rows of each table, and when a job last changed, to notice whether a database is in use."""
    with database.read() as connection:
        latest = connection.scalar(sa.select(sa.func.max(jobs.c.updated_at)))
    return count_rows(database), float(latest or 0.0)
