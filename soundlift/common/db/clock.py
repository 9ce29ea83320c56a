"""The clock of the database, in seconds since 1970, including fractions."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class now(FunctionElement[float]):  # noqa: N801 - named like the SQL function that it represents
    """The time at which the expression is evaluated, which is after any wait for a lock."""

    name = "now"
    type = sa.Double()
    inherit_cache = True


class statement_start(FunctionElement[float]):  # noqa: N801 - as above
    """The time at which the statement began, for use in queries.

    MariaDB cannot use an index to compare a column with `now`, because SYSDATE may differ from row to row
    (https://mariadb.com/kb/en/sysdate/); neither can PostgreSQL, whose clock_timestamp() is volatile.
    """

    name = "statement_start"
    type = sa.Double()
    inherit_cache = True


@compiles(now, "sqlite")
@compiles(statement_start, "sqlite")
def _on_sqlite(element: FunctionElement[float], compiler: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "mysql")
def _now_on_mysql(element: now, compiler: Any, **options: Any) -> str:
    return "CAST(UNIX_TIMESTAMP(SYSDATE(6)) AS DOUBLE)"


@compiles(statement_start, "mysql")
def _statement_start_on_mysql(element: statement_start, compiler: Any, **options: Any) -> str:
    return "CAST(UNIX_TIMESTAMP(NOW(6)) AS DOUBLE)"


@compiles(now, "postgresql")
def _now_on_postgresql(element: now, compiler: Any, **options: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


@compiles(statement_start, "postgresql")
def _statement_start_on_postgresql(element: statement_start, compiler: Any, **options: Any) -> str:
    """Return the time at which the server received the statement; it also differs within a transaction."""
    return "CAST(EXTRACT(EPOCH FROM statement_timestamp()) AS DOUBLE PRECISION)"
