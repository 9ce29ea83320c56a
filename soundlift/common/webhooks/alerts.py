"""The mail to the owner of an endpoint that has begun to fail: due, claimed, sent, once per failure.

Each step is one compare-and-set on the row of the endpoint, by the database's clock.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import sqlalchemy as sa

from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import webhooks as table
from soundlift.common.jobs.model import BATCH
from soundlift.common.notifications.model import MAX_RESEND_SECONDS, MIN_RESEND_SECONDS
from soundlift.common.webhooks.endpoints import Endpoints
from soundlift.common.webhooks.model import CLAIM_SECONDS, AlertClaim


class Alerts:
    """The mails about endpoints. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self) -> Sequence[tuple[str, float]]:
        """Return at most BATCH ids of endpoints about which a mail is due, and since when they have been failing."""
        query = sa.select(table.c.id, table.c.changed_at).where(_is_due(statement_start()))
        query = force_index(query.order_by(table.c.alert_due_at).limit(BATCH), table, "webhook_alert_due_at")
        with self._database.read() as connection:
            return [(row.id, row.changed_at) for row in connection.execute(query)]

    def postpone(self, webhook_id: str) -> bool:
        """Claim the sending of a due event; the pause until it is due again is the time since the failure."""
        age = now() - table.c.changed_at
        pause = sa.case(
            (age < MIN_RESEND_SECONDS, MIN_RESEND_SECONDS),
            (age > MAX_RESEND_SECONDS, MAX_RESEND_SECONDS),
            else_=age,
        )
        return self._update(table.c.id == webhook_id, _is_due(now()), alert_due_at=now() + pause)

    def send_soon(self, webhook_id: str) -> bool:
        """Make the event due immediately, after its publication failed."""
        return self._update(*_is_pending(webhook_id), alert_due_at=now())

    def claim(self, webhook_id: str) -> AlertClaim | None:
        """Claim a pending mail for CLAIM_SECONDS."""
        token = secrets.token_hex(12)
        values = {"alert_claim": token, "alert_claimed_until": now() + CLAIM_SECONDS}
        if not self._update(*_is_pending(webhook_id), _is_unclaimed(now()), **values):
            return None
        endpoint = Endpoints(self._database).find(webhook_id)
        return AlertClaim(endpoint, token) if endpoint else None

    def is_pending(self, webhook_id: str) -> bool:
        """Return whether a mail is due or being sent."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(table.c.id).where(*_is_pending(webhook_id))) is not None

    def end(self, claim: AlertClaim) -> bool:
        """Record that the mail was sent, or can never be."""
        return self._update(*_is_mine(claim), alert_due_at=None, alert_claim=None, alert_claimed_until=None)

    def release(self, claim: AlertClaim) -> bool:
        """Release a claim after a temporary failure, so that any worker can send the mail later."""
        return self._update(*_is_mine(claim), alert_claim=None, alert_claimed_until=None)

    def _update(self, *conditions: sa.ColumnElement[bool], **values: object) -> bool:
        return self._database.change(sa.update(table).where(*conditions).values(**values)) == 1


def _is_pending(webhook_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.id == webhook_id, table.c.alert_due_at.is_not(None)


def _is_mine(claim: AlertClaim) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.id == claim.endpoint.id, table.c.alert_claim == claim.token


def _is_unclaimed(moment: sa.ColumnElement[float]) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.alert_claimed_until.is_(None), table.c.alert_claimed_until < moment)


def _is_due(moment: sa.ColumnElement[float]) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.alert_due_at <= moment, _is_unclaimed(moment))
