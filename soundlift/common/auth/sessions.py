"""The store of sessions, each of which keeps a user signed in on one device by a chain of refresh tokens.

A token is replaced at each use. Whoever uses a token that was replaced earlier may have stolen it, or it was stolen
from them; both cases end the session, so that the thief's tokens stop working too. The token that was replaced last
is an exception for GRACE_SECONDS: its client may not have received the response, or two tabs used it concurrently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from soundlift.common.auth.refresh_tokens import RefreshToken
from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import sessions as table
from soundlift.common.db.tables import users

if TYPE_CHECKING:
    from soundlift.common.auth.users import User

GRACE_SECONDS = 120  # longer than clients wait for a response before they repeat a request
MAX_SESSIONS = 100  # of one user
DELETE_BATCH = 1000
MAX_RACES = 3

log = structlog.get_logger()


class Sessions:
    """The sessions in the database. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, *, lifetime: int) -> None:
        """Make a store of sessions that last `lifetime` seconds after their last use."""
        self._database = database
        self._lifetime = lifetime

    def begin(self, user: User) -> RefreshToken | None:
        """Begin a session of a user as it was read, and return its first token.

        Returns None if the account was removed or disabled, or its password changed, in the meantime. Beyond
        MAX_SESSIONS, the session of the user that was not used for the longest time ends.
        """
        token = RefreshToken.create()
        row = sa.insert(table).values(
            id=token.id,
            username=user.email,
            token_hash=token.hash,
            created_at=now(),
            expires_at=now() + self._lifetime,
        )
        # Locks the row, so that a concurrent change of the password either is seen here or ends the new session.
        same = (users.c.email == user.email, users.c.password == user.password, users.c.disabled.is_(False))
        unchanged = sa.select(users.c.id).where(*same)

        def insert(connection: Connection) -> RefreshToken | None:
            if connection.scalar(unchanged.with_for_update()) is None:
                return None
            connection.execute(row)
            _end_surplus(connection, user.email, token.id)
            return token

        return self._database.transact(insert)

    def rotate(self, token: RefreshToken, successors: Sequence[RefreshToken]) -> tuple[str, RefreshToken] | None:
        """Replace a token by the first successor, and return the user's address and the session's current token.

        A repeated call within GRACE_SECONDS has the same result, even if the first call chose another of the
        successors. Returns None if the session does not continue: a token that was replaced earlier ends it.
        """
        for _ in range(MAX_RACES):
            if (row := self._find(token)) is None:
                return None
            if row.token_hash == token.hash:
                if self._replace(token, successors[0]):
                    return str(row.username), successors[0]
                continue
            current = next((other for other in successors if other.hash == row.token_hash), None)
            if row.repeated and current is not None:
                return str(row.username), current
            self.end(token)
            log.warning("replaced refresh token used, session ended", user=row.username)
            return None
        return None

    def end(self, token: RefreshToken) -> None:
        """End the session of a token, even if the token was replaced."""
        self._database.change(sa.delete(table).where(table.c.id == token.id))

    def end_all(self, username: str) -> int:
        """End all sessions of a user, and return how many there were."""
        return self._database.transact(lambda connection: end_sessions(connection, username))

    def end_everybodys(self) -> int:
        """End all sessions of all users, DELETE_BATCH at a time, and return how many there were."""
        ended = 0
        while batch := self._delete(sa.select(table.c.id).limit(DELETE_BATCH)):
            ended += batch
        return ended

    def delete_expired(self) -> int:
        """Delete at most DELETE_BATCH expired sessions, and return how many."""
        expired = sa.select(table.c.id).where(table.c.expires_at <= statement_start()).limit(DELETE_BATCH)
        return self._delete(force_index(expired, table, "session_expires_at"))

    def _delete(self, query: sa.Select[tuple[str]]) -> int:
        """Delete the sessions whose ids a query returns, and return how many."""

        def delete(connection: Connection) -> int:
            ids = connection.scalars(query).all()
            return connection.execute(sa.delete(table).where(table.c.id.in_(ids))).rowcount if ids else 0

        return self._database.transact(delete)

    def _find(self, token: RefreshToken) -> sa.Row[tuple[str, str, bool]] | None:
        """Return the session of a token unless it has expired; `repeated` if the token was replaced a moment ago."""
        repeated = sa.and_(table.c.previous_hash == token.hash, table.c.rotated_at > now() - GRACE_SECONDS)
        query = sa.select(table.c.username, table.c.token_hash, repeated.label("repeated"))
        with self._database.read() as connection:
            return connection.execute(query.where(table.c.id == token.id, _is_live())).one_or_none()

    def _replace(self, token: RefreshToken, successor: RefreshToken) -> bool:
        """Return whether the token was still the current one."""
        step = sa.update(table).where(table.c.id == token.id, table.c.token_hash == token.hash, _is_live())
        values = {"token_hash": successor.hash, "previous_hash": token.hash}
        return self._database.change(step.values(**values, rotated_at=now(), expires_at=now() + self._lifetime)) == 1


def end_sessions(connection: Connection, username: str) -> int:
    """End all sessions of a user in this transaction, and return how many there were."""
    return connection.execute(sa.delete(table).where(table.c.username == username)).rowcount


def _end_surplus(connection: Connection, username: str, kept: str) -> None:
    """End sessions of a user beyond MAX_SESSIONS, but not the one to be kept, even if others last longer."""
    others = sa.select(table.c.id).where(table.c.username == username, table.c.id != kept)
    surplus = others.order_by(table.c.expires_at.desc()).offset(MAX_SESSIONS - 1).limit(DELETE_BATCH)
    if ids := connection.scalars(force_index(surplus, table, "session_of_user")).all():
        connection.execute(sa.delete(table).where(table.c.id.in_(ids)))


def _is_live() -> sa.ColumnElement[bool]:
    return table.c.expires_at > now()
