"""Attempts that were made some time ago."""

from __future__ import annotations

import sqlalchemy as sa

from soundlift.common.db.tables import attempts as table
from soundlift.common.services import Services


def age_attempts(services: Services, seconds: float) -> None:
    """Change all rows of attempts as if `seconds` had passed."""
    times = {name: table.c[name] - seconds for name in ("locked_until", "expires_at")}
    services.database.change(sa.update(table).values(times))


def set_attempts(services: Services, number: int) -> None:
    """Change all rows of attempts as if so many had been made."""
    services.database.change(sa.update(table).values(attempts=number))


def count_rows(services: Services) -> int:
    """Return how many subjects are counted."""
    with services.database.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
