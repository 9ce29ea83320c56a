"""The deliveries of webhooks; each step is one compare-and-set on a row, by the database's clock.

    pending ⇄ claimed ─▶ delivered | given up ─▶ (replayed) ─▶ pending

A step that changes no row means that another process acted first; it returns False or None and raises no error.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.batches import delete_in_batches
from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs
from soundlift.common.db.tables import webhook_deliveries as table
from soundlift.common.jobs.conditions import next_update
from soundlift.common.jobs.history import record
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.model import BATCH, MAX_MESSAGE_LENGTH
from soundlift.common.jobs.user_lock import lock_user
from soundlift.common.notifications.model import MAX_RESEND_SECONDS, MIN_RESEND_SECONDS
from soundlift.common.webhooks.endpoints import disable_endpoint, mark_failing, mark_working
from soundlift.common.webhooks.model import (
    CLAIM_SECONDS,
    JITTER,
    KEEP_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    PAUSES,
    Delivery,
    DeliveryClaim,
    DueDelivery,
    EndpointState,
    EventType,
    Failure,
)

CANDIDATES = 3  # of a claim, since other workers look for the same deliveries
DELETE_BATCH = 1000
GAVE_UP = "The delivery was given up after {attempts} attempts: {error}"

_candidate = (table.c.id, table.c.username)
delivery_columns = [table.c[name] for name in Delivery.__dataclass_fields__]


class Deliveries:
    """The steps of deliveries, and the queries that send them. Every method raises DatabaseUnavailable.

    At most `concurrency` deliveries of one user are claimed at a time, so that slow endpoints of one user leave workers
    for the others.
    """

    def __init__(self, database: Database, *, concurrency: int) -> None:
        self._database = database
        self._concurrency = concurrency

    def claim_of_job(self, job_id: str) -> DeliveryClaim | None:
        """Claim one of the deliveries of a job that are due, and count an attempt; None also at the user's limit."""
        return self._claim(sa.select(*_candidate).where(table.c.job == job_id))

    def claim_one(self, delivery_id: str) -> DeliveryClaim | None:
        """Claim a delivery if it is due, as `claim_of_job`."""
        return self._claim(sa.select(*_candidate).where(table.c.id == delivery_id))

    def claim_next(self, username: str) -> DeliveryClaim | None:
        """Claim the delivery of a user that has been due for the longest time, as `claim_of_job`."""
        query = sa.select(*_candidate).where(table.c.username == username).order_by(table.c.due_at)
        return self._claim(force_index(query, table, "webhook_delivery_due_of_user"))

    def mark_delivered(self, claim: DeliveryClaim, *, status: int) -> bool:
        """Record that the endpoint accepted the message."""

        def settle(connection: Connection) -> bool:
            values = {"delivered_at": now(), "last_status": status, "last_error": None}
            taken = self._settle(connection, claim, Step.WEBHOOK_DELIVERED, None, due_at=None, resend_at=None, **values)
            if taken:
                mark_working(connection, claim.delivery.webhook)
            return taken

        return self._database.transact(settle)

    def postpone_attempt(self, claim: DeliveryClaim, failure: Failure) -> bool:
        """Record a failed attempt, and when the next one is due: on schedule, or later if the receiver says so."""
        due_at = now() + _pause(claim.delivery.attempts, failure.retry_after)
        values = {**_failed(failure), "due_at": due_at, "resend_at": due_at}
        return self._database.transact(
            lambda connection: self._settle(connection, claim, Step.WEBHOOK_RELEASED, failure.error, **values)
        )

    def give_up(self, claim: DeliveryClaim, failure: Failure, *, endpoint_state: EndpointState | None = None) -> bool:
        """Record that the message will not be delivered, and that its endpoint is therefore failing or disabled."""
        values = {**_failed(failure), "due_at": None, "resend_at": None}

        def settle(connection: Connection) -> bool:
            taken = self._settle(connection, claim, Step.WEBHOOK_GAVE_UP, failure.error, **values)
            if taken and endpoint_state == EndpointState.FAILING:
                detail = GAVE_UP.format(attempts=claim.delivery.attempts, error=failure.error)
                mark_failing(connection, claim.delivery.webhook, detail)
            elif taken and endpoint_state == EndpointState.DISABLED:
                disable_endpoint(connection, claim.delivery.webhook, failure.error)
            return taken

        return self._database.transact(settle)

    def drop(self, claim: DeliveryClaim) -> None:
        """Delete a claimed delivery of an endpoint or of a job that does not exist any more."""
        self._database.change(sa.delete(table).where(*_is_mine(claim)))

    def wait_seconds(self, *, job_id: str | None = None, delivery_id: str | None = None) -> float | None:
        """Return when the first pending delivery of a job, or one delivery, may be attempted again, in seconds.

        None if there is none, or if it is due and unclaimed: then its user is at the limit, and whoever holds the other
        claims goes on with it.
        """
        mine = table.c.job == job_id if delivery_id is None else table.c.id == delivery_id
        free_at = sa.case((table.c.claimed_until > table.c.due_at, table.c.claimed_until), else_=table.c.due_at)
        query = sa.select(free_at - now()).where(mine, table.c.due_at.is_not(None))
        with self._database.read() as connection:
            waits = [float(one) for one in connection.scalars(query)]
        return min((one for one in waits if one > 0), default=None)

    def due(self) -> Sequence[DueDelivery]:
        """Return at most BATCH deliveries whose event must be sent, the most overdue first."""
        query = _due_deliveries().where(_must_resend(statement_start())).order_by(table.c.resend_at).limit(BATCH)
        query = force_index(query, table, "webhook_delivery_resend_at")
        with self._database.read() as connection:
            return [DueDelivery(**row._mapping) for row in connection.execute(query)]

    def next_due(self, username: str) -> DueDelivery | None:
        """Return the delivery of a user that has been due for the longest time and that nobody attempts."""
        query = _due_deliveries().where(table.c.username == username, _is_free(statement_start()))
        query = force_index(query, table, "webhook_delivery_due_of_user")
        with self._database.read() as connection:
            row = connection.execute(query.order_by(table.c.due_at).limit(1)).one_or_none()
        return DueDelivery(**row._mapping) if row else None

    def postpone(self, delivery: DueDelivery) -> bool:
        """Claim the sending of a due event; only one of several concurrent callers gets True.

        The pause until the event is sent again is the time since the attempt was due, so it doubles with each repeat.
        """
        age = now() - table.c.due_at
        pause = sa.case(
            (age < MIN_RESEND_SECONDS, MIN_RESEND_SECONDS),
            (age > MAX_RESEND_SECONDS, MAX_RESEND_SECONDS),
            else_=age,
        )
        update = sa.update(table).where(table.c.id == delivery.id, _must_resend(now())).values(resend_at=now() + pause)
        return self._database.change(update) == 1

    def send_soon(self, delivery: DueDelivery) -> bool:
        """Make the event of a pending delivery due immediately, after its publication failed."""
        pending = table.c.id == delivery.id, table.c.due_at.is_not(None)
        return self._database.change(sa.update(table).where(*pending).values(resend_at=table.c.due_at)) == 1

    def delete_old(self) -> int:
        """Delete deliveries that ended and were created KEEP_SECONDS ago, DELETE_BATCH at a time; return how many."""
        return delete_in_batches(self._delete_batch, size=DELETE_BATCH)

    def _delete_batch(self) -> int:
        aged = table.c.created_at < statement_start() - KEEP_SECONDS, table.c.due_at.is_(None)
        old = sa.select(table.c.id).where(*aged).order_by(table.c.created_at).limit(DELETE_BATCH)

        def delete(connection: Connection) -> int:
            ids = connection.scalars(force_index(old, table, "webhook_delivery_by_age")).all()
            return connection.execute(sa.delete(table).where(table.c.id.in_(ids))).rowcount if ids else 0

        return self._database.transact(delete)

    def _claim(self, candidates: sa.Select[tuple[str, str]]) -> DeliveryClaim | None:
        free = candidates.where(_is_free(statement_start())).limit(CANDIDATES)
        with self._database.read() as connection:
            found = connection.execute(free).all()
        for row in found:
            if claim := self._database.transact(partial(self._take, delivery_id=row.id, username=row.username)):
                return claim
        return None

    def _take(self, connection: Connection, delivery_id: str, username: str) -> DeliveryClaim | None:
        """Claim a delivery under the lock of its user, without which concurrent workers could exceed the limit."""
        lock_user(connection, username)
        claimed = sa.select(sa.func.count()).where(table.c.username == username, table.c.claimed_until > now())
        if (connection.scalar(claimed) or 0) >= self._concurrency:
            return None
        token = secrets.token_hex(12)
        values = {"claim": token, "claimed_until": now() + CLAIM_SECONDS, "attempts": table.c.attempts + 1}
        update = sa.update(table).where(table.c.id == delivery_id, _is_free(now())).values(**values)
        if not connection.execute(update).rowcount:
            return None
        row = connection.execute(sa.select(*delivery_columns).where(table.c.id == delivery_id)).one()
        return DeliveryClaim(delivery_from_row(row), token)

    def _settle(
        self, connection: Connection, claim: DeliveryClaim, step: Step, detail: str | None, **values: Any
    ) -> bool:
        """End a claim, and record the end of the delivery on the job, whose document shows it; lock the job first."""
        job = claim.delivery.job
        if job is not None and values["due_at"] is None:
            mine = sa.select(table.c.id).where(*_is_mine(claim)).scalar_subquery().is_not(None)
            connection.execute(sa.update(jobs).where(jobs.c.id == job, mine).values(updated_at=next_update))
        update = sa.update(table).where(*_is_mine(claim)).values(claim=None, claimed_until=None, **values)
        taken = connection.execute(update).rowcount == 1
        if taken and job is not None:
            text = f"{claim.delivery.webhook}: {detail}" if detail else claim.delivery.webhook
            attempt = sa.literal(claim.delivery.attempts, sa.Integer)
            record(connection, job, step, attempt=attempt, claim=claim.token, detail=text)
        return taken


def delivery_from_row(row: sa.Row[Any]) -> Delivery:
    """Return the delivery of a row with the columns of one."""
    values = {name: row._mapping[name] for name in Delivery.__dataclass_fields__}
    return Delivery(**{**values, "type": EventType(values["type"])})


def _due_deliveries() -> sa.Select[Any]:
    columns = table.c.id, table.c.job, table.c.attempts, table.c.due_at, jobs.c.traceparent
    return sa.select(*columns).select_from(table.outerjoin(jobs, jobs.c.id == table.c.job))


def _pause(attempts: int, retry_after: float) -> float:
    """Return the seconds until the attempt after so many, lengthened at random."""
    scheduled = max(PAUSES[attempts], min(retry_after, MAX_RETRY_AFTER_SECONDS))
    return scheduled * (1 + random.uniform(0, JITTER))  # noqa: S311 - the pause need not be unpredictable


def _failed(failure: Failure) -> dict[str, Any]:
    return {"last_status": failure.status, "last_error": failure.error[:MAX_MESSAGE_LENGTH]}


def _is_mine(claim: DeliveryClaim) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.id == claim.delivery.id, table.c.claim == claim.token, table.c.due_at.is_not(None)


def _is_unclaimed(moment: sa.ColumnElement[float]) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.claimed_until.is_(None), table.c.claimed_until < moment)


def _is_free(moment: sa.ColumnElement[float]) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.due_at <= moment, _is_unclaimed(moment))


def _must_resend(moment: sa.ColumnElement[float]) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.resend_at <= moment, _is_unclaimed(moment))
