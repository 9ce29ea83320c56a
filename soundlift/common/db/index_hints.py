"""Index hints for MySQL and MariaDB."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def force_index(query: sa.Select[Any], table: sa.Table, index: str) -> sa.Select[Any]:
    """Return a query that reads a table through one index only.

    MariaDB chooses by statistics, which change as a backlog grows; SQLite, which has no statistics here, needs no hint.
    PostgreSQL has no hints, and prefers these indexes without one (tests/jobs/test_query_plans.py).
    """
    return query.with_hint(table, f"FORCE INDEX ({index})", "mysql")
