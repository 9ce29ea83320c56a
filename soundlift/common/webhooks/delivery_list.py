"""The deliveries of one endpoint as their owner sees them: list, find, replay, test."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.auth.attempts import Attempts
from soundlift.common.db.clock import now
from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs
from soundlift.common.db.tables import webhook_deliveries as table
from soundlift.common.jobs.conditions import next_update
from soundlift.common.jobs.user_lock import lock_user
from soundlift.common.webhooks.deliveries import delivery_columns, delivery_from_row
from soundlift.common.webhooks.model import Delivery, Endpoint, EventType
from soundlift.common.webhooks.rows import new_delivery
from soundlift.common.webhooks.send_limits import REPLAYS, TESTS


class DeliveryList:
    """The deliveries of endpoints. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, attempts: Attempts) -> None:
        """Make a list whose tests and replays are counted among the attempts of their owner."""
        self._database = database
        self._attempts = attempts

    def page(self, webhook_id: str, *, after: str | None, limit: int) -> Sequence[Delivery]:
        """Return the newest deliveries of an endpoint, or those before the one with the id `after`."""
        query = sa.select(*delivery_columns).where(table.c.webhook == webhook_id)
        query = force_index(query, table, "webhook_delivery_of_webhook")
        query = query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            if after is not None:
                last = connection.scalar(sa.select(table.c.created_at).where(table.c.id == after))
                if last is None:
                    return []
                # SQLite and MySQL use the index for this form, but MySQL not for a comparison of rows.
                is_older = sa.or_(table.c.created_at < last, sa.and_(table.c.created_at == last, table.c.id < after))
                query = query.where(table.c.created_at <= last, is_older)
            return [delivery_from_row(row) for row in connection.execute(query)]

    def find(self, webhook_id: str, delivery_id: str) -> Delivery | None:
        """Return a delivery of an endpoint."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(*delivery_columns).where(*_is(webhook_id, delivery_id))).one_or_none()
        return delivery_from_row(row) if row else None

    def replay(self, endpoint: Endpoint, delivery_id: str) -> Delivery | None:
        """Make a delivery that succeeded or was given up due again, from its first attempt on, and return it.

        None if it is pending, or does not exist. Raises TooManyAttempts.
        """
        job = sa.select(table.c.job).where(*_is(endpoint.id, delivery_id)).scalar_subquery()
        # The document of the job shows the delivery; it is locked first, as in the steps of deliveries.
        touch = sa.update(jobs).where(jobs.c.id == job).values(updated_at=next_update)
        again = {"due_at": now(), "resend_at": now(), "attempts": 0, "delivered_at": None}
        over = *_is(endpoint.id, delivery_id), table.c.due_at.is_(None)

        def replay_and_read(connection: Connection) -> Delivery | None:
            connection.execute(touch)
            if not connection.execute(sa.update(table).where(*over).values(**again)).rowcount:
                return None
            self._attempts.within(connection).add(REPLAYS, endpoint.username)
            return _read(connection, delivery_id)

        return self._database.transact(replay_and_read)

    def add_test(self, endpoint: Endpoint) -> Delivery | None:
        """Add a test of an endpoint, which is due immediately, and return it; None while another one is pending.

        Raises TooManyAttempts.
        """
        values = new_delivery(endpoint.id, endpoint.username, EventType.TEST)
        pending = table.c.username == endpoint.username, table.c.webhook == endpoint.id, table.c.due_at.is_not(None)
        query = sa.select(table.c.id).where(*pending, table.c.type == EventType.TEST).limit(1)

        def add_once(connection: Connection) -> Delivery | None:
            lock_user(connection, endpoint.username)
            if connection.scalar(query) is not None:
                return None
            self._attempts.within(connection).add(TESTS, endpoint.username)
            connection.execute(sa.insert(table).values(**values))
            return _read(connection, values["id"])

        return self._database.transact(add_once)


def _is(webhook_id: str, delivery_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.id == delivery_id, table.c.webhook == webhook_id


def _read(connection: Connection, delivery_id: str) -> Delivery:
    return delivery_from_row(connection.execute(sa.select(*delivery_columns).where(table.c.id == delivery_id)).one())
