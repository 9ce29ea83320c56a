"""The endpoints of users in the database; see model.py."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.auth.account_lock import lock_account
from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.engine import Database
from soundlift.common.db.tables import webhook_deliveries
from soundlift.common.db.tables import webhooks as table
from soundlift.common.jobs.model import MAX_MESSAGE_LENGTH
from soundlift.common.jobs.user_lock import lock_user
from soundlift.common.webhooks.errors import TooManyWebhooks, WebhookExists
from soundlift.common.webhooks.model import ROTATION_SECONDS, Endpoint, EndpointState

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of all secrets (Standard Webhooks, "Signature scheme")
SECRET_BYTES = 32
DISABLED = "You have disabled it."

_columns = [table.c[name] for name in Endpoint.__dataclass_fields__]


class Endpoints:
    """The endpoints of all users. Every method raises DatabaseUnavailable.

    What adds or changes an endpoint raises NotAuthorized if the account of its owner has been removed or disabled.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, username: str, url: str, *, all_jobs: bool, highest: int) -> Endpoint:
        """Add an endpoint with a new secret; raises WebhookExists, or TooManyWebhooks beyond `highest` of one user."""
        webhook_id = secrets.token_hex(12)
        values = {"id": webhook_id, "username": username, "url": url, "url_hash": _hash(url), "secret": new_secret()}
        state = {"all_jobs": all_jobs, "state": EndpointState.ACTIVE, "created_at": now(), "changed_at": now()}

        def add_if_room(connection: Connection) -> Endpoint:
            lock_account(connection, username)
            lock_user(connection, username)
            query = sa.select(sa.func.count()).where(table.c.username == username)
            if (connection.scalar(query) or 0) >= highest:
                raise TooManyWebhooks(f"You have {highest} webhooks, as many as a user may have; remove one first.")
            connection.execute(sa.insert(table).values(**values, **state))
            return _read(connection, table.c.id == webhook_id)

        try:
            return self._database.transact(add_if_room)
        except sa.exc.IntegrityError:
            raise WebhookExists("You have a webhook with this URL already.") from None

    def list(self, username: str) -> Sequence[Endpoint]:
        """Return the endpoints of a user, the oldest first."""
        query = sa.select(*_columns).where(table.c.username == username)
        with self._database.read() as connection:
            found = [_endpoint(row) for row in connection.execute(query)]
        return sorted(found, key=lambda endpoint: (endpoint.created_at, endpoint.id))

    def find(self, webhook_id: str) -> Endpoint | None:
        """Return an endpoint by its id."""
        return self._find(table.c.id == webhook_id)

    def find_named(self, username: str, name: str) -> Endpoint | None:
        """Return the endpoint of a user that has this id or this URL."""
        by_id = self._find(table.c.id == name, table.c.username == username)
        return by_id or self._find(table.c.username == username, table.c.url_hash == _hash(name))

    def change(self, endpoint: Endpoint, *, url: str, all_jobs: bool, disabled: bool) -> Endpoint | None:
        """Change an endpoint and return it; None if it was removed meanwhile. Raises WebhookExists.

        A disabled or failing one that is enabled is active again.
        """
        values: dict[str, Any] = {"url": url, "url_hash": _hash(url), "all_jobs": all_jobs, "changed_at": now()}
        if disabled != endpoint.disabled:
            state = EndpointState.DISABLED if disabled else EndpointState.ACTIVE
            values |= {"state": state, "detail": DISABLED if disabled else None, "alert_due_at": None}
        return self._update(endpoint, **values)

    def rotate(self, endpoint: Endpoint) -> Endpoint | None:
        """Give an endpoint a new secret, besides which the previous one signs for ROTATION_SECONDS; as `change`."""
        until = {"previous_secret": table.c.secret, "previous_until": now() + ROTATION_SECONDS}
        # MySQL assigns in this order: the previous secret is read before it is replaced.
        ordered = (*until.items(), ("secret", new_secret()), ("changed_at", now()))
        update = sa.update(table).where(table.c.id == endpoint.id)
        ordered_values = [(table.c[name], value) for name, value in ordered]

        def rotate_and_read(connection: Connection) -> Endpoint | None:
            lock_account(connection, endpoint.username)
            taken = connection.execute(update.ordered_values(*ordered_values)).rowcount
            return _read(connection, table.c.id == endpoint.id) if taken else None

        return self._database.transact(rotate_and_read)

    def remove(self, endpoint: Endpoint) -> bool:
        """Remove an endpoint and its pending deliveries; cleanup deletes the others when they are old."""
        pending = webhook_deliveries.c.webhook == endpoint.id, webhook_deliveries.c.due_at.is_not(None)

        def remove_both(connection: Connection) -> bool:
            removed = connection.execute(sa.delete(table).where(table.c.id == endpoint.id)).rowcount == 1
            connection.execute(sa.delete(webhook_deliveries).where(*pending))
            return removed

        return self._database.transact(remove_both)

    def forget_previous_secrets(self) -> int:
        """Delete the previous secrets that no longer sign, and return how many."""
        over = table.c.previous_until < statement_start()
        return self._database.change(sa.update(table).where(over).values(previous_secret=None, previous_until=None))

    def _update(self, endpoint: Endpoint, **values: Any) -> Endpoint | None:
        update = sa.update(table).where(table.c.id == endpoint.id).values(**values)

        def change_and_read(connection: Connection) -> Endpoint | None:
            lock_account(connection, endpoint.username)
            return _read(connection, table.c.id == endpoint.id) if connection.execute(update).rowcount else None

        try:
            return self._database.transact(change_and_read)
        except sa.exc.IntegrityError:
            raise WebhookExists("You have a webhook with this URL already.") from None

    def _find(self, *conditions: sa.ColumnElement[bool]) -> Endpoint | None:
        with self._database.read() as connection:
            row = connection.execute(sa.select(*_columns).where(*conditions)).one_or_none()
        return _endpoint(row) if row else None


def new_secret() -> str:
    """Return a random secret in the form of Standard Webhooks ("Signature scheme": 24 to 64 bytes in base64)."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def mark_working(connection: Connection, webhook_id: str) -> None:
    """Record in this transaction that a failing endpoint accepted a message."""
    failing = table.c.id == webhook_id, table.c.state == EndpointState.FAILING
    values = {"state": EndpointState.ACTIVE, "detail": None, "changed_at": now(), "alert_due_at": None}
    connection.execute(sa.update(table).where(*failing).values(**values))


def mark_failing(connection: Connection, webhook_id: str, detail: str) -> None:
    """Record in this transaction that a delivery was given up; a mail about it is due if it is the first one."""
    active = table.c.id == webhook_id, table.c.state == EndpointState.ACTIVE
    connection.execute(sa.update(table).where(*active).values(state=EndpointState.FAILING, **_alert(detail)))


def disable_endpoint(connection: Connection, webhook_id: str, detail: str) -> None:
    """Record in this transaction that an endpoint wants no more messages, and that a mail about it is due."""
    enabled = table.c.id == webhook_id, table.c.state != EndpointState.DISABLED
    connection.execute(sa.update(table).where(*enabled).values(state=EndpointState.DISABLED, **_alert(detail)))


def _alert(detail: str) -> dict[str, Any]:
    return {"detail": detail[:MAX_MESSAGE_LENGTH], "changed_at": now(), "alert_due_at": now()}


def _read(connection: Connection, condition: sa.ColumnElement[bool]) -> Endpoint:
    return _endpoint(connection.execute(sa.select(*_columns).where(condition)).one())


def _endpoint(row: sa.Row[Any]) -> Endpoint:
    values = {**row._mapping, "state": EndpointState(row.state), "all_jobs": bool(row.all_jobs)}
    return Endpoint(**values)


def _hash(url: str) -> str:
    return sha256(url.encode()).hexdigest()
