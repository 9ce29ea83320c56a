"""The clock of the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class now(FunctionElement[float]):  # noqa: N801 - reads as the SQL function it is
    """The current time by the database's own clock, in seconds since 1970 with a fraction."""

    name = "now"
    type = sa.Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_on_sqlite(element: now, compiler: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "mysql")
def _now_on_mysql(element: now, compiler: Any, **options: Any) -> str:
    return "CAST(UNIX_TIMESTAMP(SYSDATE(6)) AS DOUBLE)"
