"""What each user has lately uploaded and had converted, counted per minute.

The counts are no property of the jobs, so deleting a job gives nothing back. A measurement reads at most one row for
each minute of its window, however much a user uploads. What was counted in a minute leaves the window when the entire
minute has left it.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.engine import Database
from soundlift.common.db.tables import usage_minutes as table

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
DELETE_BATCH = 1000


@dataclass(frozen=True)
class Recent:
    """The amounts of recent minutes, as pairs of the minute since 1970 and its amount, the oldest first.

    `window` is in seconds; `moment` is when they were read, in seconds since 1970.
    """

    amounts: tuple[tuple[int, float], ...]
    window: int
    moment: float

    @property
    def total(self) -> float:
        """Return the sum of the amounts."""
        return sum(amount for _, amount in self.amounts)

    def plus(self, amount: float) -> Recent:
        """Return the same with an amount that will be counted soon."""
        return replace(self, amounts=(*self.amounts, (int(self.moment // MINUTE), amount)))

    def seconds_until_fits(self, amount: float, limit: float) -> int:
        """Return in how many seconds an amount fits into a limit, 0 if it does now; it must not exceed the limit."""
        total, seconds = self.total, 0
        for minute, leaving in self.amounts:
            if total + amount <= limit:
                break
            total, seconds = total - leaving, self._seconds_left(minute)
        return seconds

    @property
    def seconds_until_less(self) -> int:
        """Return in how many seconds the first of the amounts leaves the window; the window if there are none."""
        return self._seconds_left(self.amounts[0][0]) if self.amounts else self.window

    def date_in(self, seconds: int) -> str:
        """Return a time from now as text."""
        return f"{datetime.fromtimestamp(self.moment + seconds, UTC):%Y-%m-%d %H:%M} UTC"

    def _seconds_left(self, minute: int) -> int:
        return max(1, math.ceil((minute + 1) * MINUTE + self.window - self.moment))


def recent_uploads(connection: Connection, username: str) -> Recent:
    """Return a user's uploads of the last hour."""
    return _read(connection, username, table.c.uploads, HOUR)


def recent_seconds(connection: Connection, username: str) -> Recent:
    """Return the seconds of a user's sound that were converted in the last 24 hours."""
    return _read(connection, username, table.c.seconds, DAY)


def _read(connection: Connection, username: str, amount: sa.Column[float], window: int) -> Recent:
    moment = _moment(connection)
    theirs = sa.select(table.c.minute, amount).where(table.c.username == username, amount > 0)
    rows = connection.execute(theirs.where(table.c.minute >= _first(moment, window)).order_by(table.c.minute))
    return Recent(tuple((minute, value) for minute, value in rows), window, moment)


def totals_by_user(connection: Connection, usernames: Collection[str]) -> dict[str, tuple[int, float]]:
    """Return the uploads of the last hour, and the seconds of sound of the last 24 hours, of each user who has any."""
    moment = _moment(connection)
    uploads = sa.case((table.c.minute >= _first(moment, HOUR), table.c.uploads), else_=0)
    sums = sa.select(table.c.username, sa.func.sum(uploads), sa.func.sum(table.c.seconds))
    theirs = sums.where(table.c.username.in_(usernames), table.c.minute >= _first(moment, DAY))
    rows = connection.execute(theirs.group_by(table.c.username))
    return {username: (int(count), float(seconds)) for username, count, seconds in rows}


def count(connection: Connection, username: str, *, uploads: int = 0, seconds: float = 0.0) -> None:
    """Count something in the current minute, in a transaction that holds the user's lock."""
    minute = int(_moment(connection) // MINUTE)
    mine = sa.and_(table.c.username == username, table.c.minute == minute)
    sums = {"uploads": table.c.uploads + uploads, "seconds": table.c.seconds + seconds}
    if connection.execute(sa.update(table).where(mine).values(sums)).rowcount == 0:
        row = {"username": username, "minute": minute, "uploads": uploads, "seconds": seconds}
        connection.execute(sa.insert(table).values(row))


def delete_old_counts(database: Database) -> int:
    """Delete at most DELETE_BATCH rows that no measurement reads any more; raises DatabaseUnavailable."""
    before = sa.cast(statement_start() / MINUTE, sa.BigInteger) - DAY // MINUTE - 2
    old = sa.select(table.c.username, table.c.minute).where(table.c.minute < before).limit(DELETE_BATCH)

    def delete_rows(connection: Connection) -> int:
        keys = connection.execute(old).all()
        if not keys:
            return 0
        chosen = sa.tuple_(table.c.username, table.c.minute).in_([tuple(key) for key in keys])
        return connection.execute(sa.delete(table).where(chosen)).rowcount

    return database.transact(delete_rows)


def _moment(connection: Connection) -> float:
    return float(connection.scalar(sa.select(now())) or 0)


def _first(moment: float, window: int) -> int:
    """Return the first minute that is partly within the last `window` seconds."""
    return int((moment - window) // MINUTE)
