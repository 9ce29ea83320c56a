"""The store of API keys. A key is revoked in its row, which every use reads, so it stops working at once.

A key is that of an account: while the account is disabled, none of its keys works, and with the account they are
deleted. A new password leaves them as they are, since programs use them and people can revoke them one by one.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from soundlift.common.auth.account_lock import lock_account
from soundlift.common.auth.api_keys import ApiKey
from soundlift.common.auth.opaque_tokens import ID_BYTES
from soundlift.common.auth.scopes import Scope
from soundlift.common.db.batches import delete_in_batches
from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import api_keys as table
from soundlift.common.db.tables import users
from soundlift.common.errors import DatabaseUnavailable, Forbidden, TooManyKeys

MAX_KEYS = 50  # of one user, without expired and revoked ones
MAX_ENDED_KEYS = 50  # of one user, beyond which making a key deletes the oldest
KEPT_SECONDS = 30 * 24 * 3600  # how long an expired or revoked key is listed
USE_INTERVAL_SECONDS = 3600  # between two records of the last use, so that few requests write
DELETE_BATCH = 1000

log = structlog.get_logger()


class KeyState(StrEnum):
    """Whether a key works."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True)
class StoredKey:
    """A row without its hash; times in seconds since 1970. `expires_at` is None for a key that does not expire."""

    id: str
    username: str
    name: str
    start: str
    scopes: frozenset[Scope]
    state: KeyState
    created_at: float
    expires_at: float | None
    last_used_at: float | None


@dataclass(frozen=True)
class KeyUse:
    """A key that works, and whether its user is an admin."""

    id: str
    username: str
    name: str
    scopes: frozenset[Scope]
    is_admin: bool


class ApiKeys:
    """The API keys in the database. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, username: str, *, name: str, scopes: Collection[Scope], seconds: int | None
    ) -> tuple[StoredKey, ApiKey]:
        """Make a key that works for `seconds`, or until it is revoked, and return it: its text is stored nowhere.

        Raises TooManyKeys; Forbidden for the scope `admin` unless the user is an admin; and NotAuthorized if the
        account has been removed or disabled.
        """
        key, key_id = ApiKey.create(), secrets.token_hex(ID_BYTES)
        ends = {"expires_at": now() + seconds, "delete_after": now() + seconds + KEPT_SECONDS} if seconds else {}
        row = sa.insert(table).values(
            id=key_id,
            username=username,
            name=name,
            start=key.start,
            key_hash=key.hash,
            scopes=" ".join(scope for scope in Scope if scope in scopes),
            created_at=now(),
            **ends,
        )

        def insert(connection: Connection) -> StoredKey:
            is_admin = lock_account(connection, username)  # so that keys are made one after another
            if Scope.ADMIN in scopes and not is_admin:
                raise Forbidden("Only an admin may make a key with the scope admin.")
            _make_room(connection, username)
            connection.execute(row)
            return _stored(connection.execute(sa.select(*_columns()).where(table.c.id == key_id)).one())

        return self._database.transact(insert), key

    def list(self, username: str) -> list[StoredKey]:
        """Return the keys of a user, the newest first, with those that expired or were revoked not long ago."""
        query = sa.select(*_columns()).where(table.c.username == username)
        query = query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(MAX_KEYS + MAX_ENDED_KEYS)
        with self._database.read() as connection:
            return [_stored(row) for row in connection.execute(force_index(query, table, "api_key_of_user"))]

    def revoke(self, username: str, key_id: str) -> bool:
        """Make a key stop working, and return whether the user has one with this id, even a revoked one."""
        own = (table.c.id == key_id, table.c.username == username)
        step = sa.update(table).where(*own, table.c.revoked_at.is_(None))
        if self._database.change(step.values(revoked_at=now(), delete_after=now() + KEPT_SECONDS)):
            return True
        with self._database.read() as connection:
            return connection.scalar(sa.select(table.c.id).where(*own)) is not None

    def use(self, key: ApiKey) -> KeyUse | None:
        """Return what a key gives access to, or None if it is unknown, expired, revoked or that of a disabled user.

        The time of the use is recorded unless that was done within USE_INTERVAL_SECONDS.
        """
        query = (
            sa.select(table.c.id, table.c.username, table.c.name, table.c.scopes, users.c.admin)
            .add_columns(_is_use_due().label("is_use_due"))
            .join_from(table, users, users.c.email == table.c.username)
            .where(table.c.key_hash == key.hash, _is_active(), users.c.disabled.is_(False))
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.is_use_due:
            self._record_use(row.id)
        return KeyUse(row.id, row.username, row.name, _scopes(row.scopes), row.admin)

    def delete_old(self) -> int:
        """Delete keys that ended more than KEPT_SECONDS ago, DELETE_BATCH at a time, and return how many."""
        return delete_in_batches(self._delete_batch, size=DELETE_BATCH)

    def _delete_batch(self) -> int:
        old = sa.select(table.c.id).where(table.c.delete_after <= statement_start()).limit(DELETE_BATCH)

        def delete(connection: Connection) -> int:
            ids = connection.scalars(force_index(old, table, "api_key_delete_after")).all()
            return connection.execute(sa.delete(table).where(table.c.id.in_(ids))).rowcount if ids else 0

        return self._database.transact(delete)

    def _record_use(self, key_id: str) -> None:
        """Record that a key is used now; a database that only refuses to write does not fail the request."""
        step = sa.update(table).where(table.c.id == key_id, _is_use_due()).values(last_used_at=now())
        try:
            self._database.change(step)
        except DatabaseUnavailable as error:
            log.warning("use of an API key not recorded", key_id=key_id, code=error.code, **error.evidence)


def delete_keys(connection: Connection, username: str) -> None:
    """Delete all keys of a user in this transaction."""
    connection.execute(sa.delete(table).where(table.c.username == username))


def _make_room(connection: Connection, username: str) -> None:
    """Raise TooManyKeys if a user may have no further key; delete those of their ended keys that are too many."""
    active, ended = (_of_user(username, condition) for condition in (_is_active(), sa.not_(_is_active())))
    if len(connection.scalars(active.limit(MAX_KEYS)).all()) == MAX_KEYS:
        raise TooManyKeys(f"You have {MAX_KEYS} API keys, which is the most that one user may have. Revoke one first.")
    if surplus := connection.scalars(ended.offset(MAX_ENDED_KEYS - 1).limit(DELETE_BATCH)).all():
        connection.execute(sa.delete(table).where(table.c.id.in_(surplus)))


def _of_user(username: str, condition: sa.ColumnElement[bool]) -> sa.Select[tuple[str]]:
    """Return a query for the ids of keys of a user, the newest first."""
    query = sa.select(table.c.id).where(table.c.username == username, condition)
    return force_index(query.order_by(table.c.created_at.desc(), table.c.id.desc()), table, "api_key_of_user")


def _is_active() -> sa.ColumnElement[bool]:
    return sa.and_(table.c.revoked_at.is_(None), sa.or_(table.c.expires_at.is_(None), table.c.expires_at > now()))


def _is_use_due() -> sa.ColumnElement[bool]:
    long_ago = table.c.last_used_at <= now() - USE_INTERVAL_SECONDS
    return sa.or_(table.c.last_used_at.is_(None), long_ago)


def _columns() -> Sequence[sa.ColumnElement[Any]]:
    names = ("id", "username", "name", "start", "scopes", "revoked_at", "created_at", "expires_at", "last_used_at")
    return [*(table.c[name] for name in names), _is_active().label("is_active")]


def _stored(row: sa.Row[Any]) -> StoredKey:
    ended = KeyState.EXPIRED if row.revoked_at is None else KeyState.REVOKED
    return StoredKey(
        id=row.id,
        username=row.username,
        name=row.name,
        start=row.start,
        scopes=_scopes(row.scopes),
        state=KeyState.ACTIVE if row.is_active else ended,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )


def _scopes(text: str) -> frozenset[Scope]:
    """Return the scopes in a row, without those that only another release knows."""
    known = {str(scope) for scope in Scope}
    return frozenset(Scope(name) for name in text.split() if name in known)
