"""Limits on how often something is attempted, counted in one table that all replicas share."""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from soundlift.common.db.batches import delete_in_batches
from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import attempts as table
from soundlift.common.errors import TooManyAttempts

MAX_LOCK_SECONDS = 15 * 60
MAX_DOUBLINGS = 30  # more would exceed any lock
DELETE_BATCH = 1000
DOMAIN = b"soundlift/attempt\0"  # no token that the same secret signs contains a NUL

Result = TypeVar("Result")
log = structlog.get_logger()


@dataclass(frozen=True)
class Policy:
    """How many attempts at an action are free, and how long each further one locks the action.

    The attempt that uses up the free ones locks for `first_lock_seconds`, each further one for twice as long, up to
    `max_lock_seconds`. The count is forgotten `window_seconds` after the last attempt. `refusal` is the sentence for
    people whose attempt is refused.
    """

    action: str
    refusal: str
    free: int
    window_seconds: int
    first_lock_seconds: int = 1
    max_lock_seconds: int = MAX_LOCK_SECONDS

    def lock_seconds(self, count: int) -> int:
        """Return how long the attempt with this number locks the action."""
        if count < self.free:
            return 0
        doubled = self.first_lock_seconds << min(count - self.free, MAX_DOUBLINGS)
        return min(doubled, self.max_lock_seconds)


@dataclass(frozen=True)
class Attempt:
    """An attempt that was counted: until when it locks, and when it and those before it are forgotten."""

    policy: Policy
    subject: str
    locked_until: float
    expires_at: float
    previous_expires_at: float


class Attempts:
    """The attempts in the database. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, *, secret: str) -> None:
        """Make a store whose keys only the holder of a secret can compute."""
        self._database = database
        self._secret = secret.encode()

    def count(self, policy: Policy, subject: str) -> None:
        """Count an attempt at an action before it is made; raises TooManyAttempts, and counts nothing, while locked.

        `subject` is whose attempts are counted together, such as an account or a network. As an attempt is counted
        before its outcome is known, concurrent ones cannot exceed the limit.
        """
        self.transact(lambda counts: counts.add(policy, subject))

    def forget(self, policy: Policy, subject: str) -> None:
        """Forget the attempts of a subject, and end its lock."""
        self.transact(lambda counts: counts.forget(policy, subject))

    def transact(self, work: Callable[[Counts], Result]) -> Result:
        """Run `work` with the counts in one transaction, which any error of `work` rolls back.

        Each transaction must name its subjects in the same order of actions, or concurrent ones may deadlock.
        """
        return self._database.transact(lambda connection: work(self.within(connection)))

    def within(self, connection: Connection) -> Counts:
        """Return the counts in a transaction, which rolls an attempt back with what was attempted."""
        return Counts(connection, self._secret)

    def delete_expired(self) -> int:
        """Delete rows of forgotten attempts, DELETE_BATCH at a time, and return how many."""
        return delete_in_batches(self._delete_batch, size=DELETE_BATCH)

    def _delete_batch(self) -> int:
        expired = sa.select(table.c.key).where(table.c.expires_at <= statement_start()).limit(DELETE_BATCH)

        def delete(connection: Connection) -> int:
            keys = connection.scalars(force_index(expired, table, "attempt_expires_at")).all()
            again = sa.and_(table.c.key.in_(keys), table.c.expires_at <= now())
            return connection.execute(sa.delete(table).where(again)).rowcount if keys else 0

        return self._database.transact(delete)


class Counts:
    """The counts of attempts within one transaction."""

    def __init__(self, connection: Connection, secret: bytes) -> None:
        self._connection = connection
        self._secret = secret

    def add(self, policy: Policy, subject: str) -> Attempt:
        """Count an attempt; raises TooManyAttempts while the action is locked for the subject."""
        row = self._row(policy, subject)
        if row.locked_until > row.now:
            seconds = math.ceil(row.locked_until - row.now)
            raise TooManyAttempts(f"{policy.refusal} Try again in {_in_words(seconds)}.", retry_after=seconds)
        attempts = row.attempts + 1 if row.expires_at > row.now else 1
        lock = policy.lock_seconds(attempts)
        locked_until, expires_at = row.now + lock if lock else 0, row.now + max(policy.window_seconds, lock)
        self._update(row.key, attempts=attempts, locked_until=locked_until, expires_at=expires_at)
        if lock:
            log.warning("too many attempts, locked", action=policy.action, attempts=attempts, seconds=lock)
        return Attempt(policy, subject, locked_until, expires_at, row.expires_at)

    def take_back(self, attempt: Attempt) -> None:
        """Undo all that an attempt has changed, since it was not made, or succeeded; later ones keep their effect."""
        row = self._row(attempt.policy, attempt.subject)
        if row.attempts <= 1:
            self.forget(attempt.policy, attempt.subject)
            return
        is_last = row.expires_at <= attempt.expires_at
        self._update(
            row.key,
            attempts=row.attempts - 1,
            locked_until=row.locked_until if row.locked_until > attempt.locked_until else 0,
            expires_at=attempt.previous_expires_at if is_last else row.expires_at,
        )

    def forget(self, policy: Policy, subject: str) -> None:
        """Forget the attempts of a subject, and end its lock."""
        self._connection.execute(sa.delete(table).where(table.c.key == self._key(policy, subject)))

    def has(self, policy: Policy, subject: str) -> bool:
        """Return whether attempts of a subject are counted, and not forgotten yet."""
        live = sa.and_(table.c.key == self._key(policy, subject), table.c.expires_at > now())
        return self._connection.scalar(sa.select(table.c.key).where(live)) is not None

    def _row(self, policy: Policy, subject: str) -> sa.Row[Any]:
        """Return the row of a subject, created if necessary and locked, and the time."""
        key = self._key(policy, subject)
        self._connection.execute(_create(self._connection.dialect.name, key))
        columns = (table.c.key, table.c.attempts, table.c.locked_until, table.c.expires_at, now().label("now"))
        return self._connection.execute(sa.select(*columns).where(table.c.key == key).with_for_update()).one()

    def _update(self, key: str, **values: Any) -> None:
        self._connection.execute(sa.update(table).where(table.c.key == key).values(**values))

    def _key(self, policy: Policy, subject: str) -> str:
        """Return the key of a row: the table discloses neither an address nor what was typed instead of one."""
        return hmac.new(self._secret, DOMAIN + f"{policy.action}\0{subject}".encode(), sha256).hexdigest()


def _create(dialect: str, key: str) -> sa.Insert:
    """Return the statement that creates a row unless it exists, and on a server locks it exclusively in any case.

    MySQL's INSERT IGNORE would take a shared lock, and two transactions that hold one could not proceed. PostgreSQL's
    DO NOTHING would take none, so that the row could be deleted before it is read.
    """
    values = {"key": key, "attempts": 0, "locked_until": 0, "expires_at": 0}
    if dialect == "mysql":
        from sqlalchemy.dialects.mysql import insert

        return insert(table).values(values).on_duplicate_key_update(attempts=table.c.attempts)
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        statement = postgresql.insert(table).values(values)
        return statement.on_conflict_do_update(index_elements=[table.c.key], set_={"attempts": table.c.attempts})
    return sa.insert(table).values(values).prefix_with("OR IGNORE")


def _in_words(seconds: int) -> str:
    """Return a number of seconds, in minutes if there are many."""
    if seconds <= 90:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{math.ceil(seconds / 60)} minutes"
