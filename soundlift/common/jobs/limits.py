"""The limits of each user: those of the settings, except where an operator has given a user another one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa

from soundlift.common.db.engine import Database
from soundlift.common.db.tables import users as table
from soundlift.common.errors import NotFound
from soundlift.common.settings import Settings

# The limits, each with its setting, which is also the column of the user's own limit.
SETTINGS = {
    "file_bytes": "max_upload_bytes",
    "jobs": "max_jobs_in_flight",
    "stored_bytes": "max_stored_bytes",
    "uploads_per_hour": "max_uploads_per_hour",
    "minutes_per_day": "max_minutes_per_day",
}

OwnLimits = Mapping[str, int]


@dataclass(frozen=True)
class Limits:
    """The limits of one user; 0 means no limit.

    `retention` is how long files are kept after their job ended, in seconds.
    """

    jobs: int
    stored_bytes: int
    retention: int
    file_bytes: int = 0
    uploads_per_hour: int = 0
    minutes_per_day: int = 0

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """Return the limits that the settings define."""
        values = {name: getattr(settings, setting) for name, setting in SETTINGS.items()}
        return cls(retention=settings.retention_seconds, **values)

    @property
    def largest_upload(self) -> int:
        """Return the maximum size of one upload: that of a file, or of all files of its owner if that is lower."""
        return min(filter(None, (self.file_bytes, self.stored_bytes)), default=2**63)


class UserLimits:
    """The limits of users in the database; a user without an account has those of the settings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, username: str, settings: Settings) -> Limits:
        """Return the limits that apply to a user; raises DatabaseUnavailable."""
        return replace(Limits.from_settings(settings), **self.own([username]).get(username, {}))

    def own(self, usernames: Collection[str]) -> dict[str, OwnLimits]:
        """Return the limits that were set for each of these users, by the names of `SETTINGS`."""
        columns = [table.c[column].label(name) for name, column in SETTINGS.items()]
        query = sa.select(table.c.email, *columns).where(table.c.email.in_(usernames))
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return {row["email"]: {name: row[name] for name in SETTINGS if row[name] is not None} for row in rows}

    def change(self, username: str, limits: Mapping[str, int | None]) -> None:
        """Set limits of a user, or return to those of the settings with None; raises NotFound without an account."""
        values = {SETTINGS[name]: value for name, value in limits.items()}
        if not self._database.change(sa.update(table).where(table.c.email == username).values(values)):
            raise NotFound(f"{username} has no account.")
