"""The notifications of ended jobs; each step is one compare-and-set on a row, by the database's clock.

    pending ⇄ claimed ─▶ delivered | given up

A step that changes no row means that another process acted first; it returns False or None and raises no error.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now, statement_start
from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs
from soundlift.common.db.tables import notifications as table
from soundlift.common.db.tables import webhook_deliveries as deliveries
from soundlift.common.jobs.conditions import job_columns, job_from_row, next_update
from soundlift.common.jobs.history import attempts_to_notify, take_step
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.model import BATCH, MAX_MESSAGE_LENGTH, Job
from soundlift.common.notifications.model import (
    CLAIM_SECONDS,
    MAX_RESEND_SECONDS,
    MIN_RESEND_SECONDS,
    Channel,
    Notification,
    NotificationClaim,
)

_names = [name for name in Notification.__dataclass_fields__ if name != "webhook"]
_columns = [*(table.c[name] for name in _names), sa.null().label("webhook")]
_delivery_columns = [
    sa.literal(Channel.WEBHOOK).label(name) if name == "channel" else deliveries.c[name]
    for name in (*_names, "webhook")
]


class Notifications:
    """The steps and lists of notifications. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def by_job(self, job_ids: Collection[str]) -> dict[str, list[Notification]]:
        """Return the notifications of each job: the mail, then the deliveries, ordered by webhook."""
        mails = sa.select(*_columns).where(table.c.job.in_(job_ids))
        hooks = sa.select(*_delivery_columns).where(deliveries.c.job.in_(job_ids))
        found: dict[str, list[Notification]] = {job_id: [] for job_id in job_ids}
        with self._database.read() as connection:
            for query in (mails, hooks):
                for row in sorted(connection.execute(query), key=lambda row: str(row.webhook)):
                    values = {**row._mapping, "channel": Channel(row.channel)}
                    found[row.job].append(Notification(**values))
        return found

    def due(self) -> list[Job]:
        """Return at most BATCH jobs with a notification whose event must be resent, the most overdue first."""
        query = (
            sa.select(*job_columns)
            .select_from(table.join(jobs, jobs.c.id == table.c.job))
            .where(_is_due(statement_start()))
            .order_by(table.c.due_at)
            .limit(BATCH)
        )
        query = force_index(query, table, "notification_due_at")
        with self._database.read() as connection:
            found = {row.id: job_from_row(row) for row in connection.execute(query)}
        return list(found.values())

    def postpone(self, job: Job) -> bool:
        """Claim the sending of a due event; only one of several concurrent callers gets True.

        The pause until the event is due again is the time since the job ended, so it doubles with each repeat.
        """
        age = now() - job.changed_at
        pause = sa.case(
            (age < MIN_RESEND_SECONDS, MIN_RESEND_SECONDS),
            (age > MAX_RESEND_SECONDS, MAX_RESEND_SECONDS),
            else_=age,
        )
        update = sa.update(table).where(table.c.job == job.id, _is_due(now())).values(due_at=now() + pause)
        return self._take(update, job.id, Step.EVENT_RESENT)

    def send_soon(self, job: Job) -> bool:
        """Make the event of a job's pending notifications due immediately, after its publication failed."""
        update = sa.update(table).where(table.c.job == job.id, table.c.due_at.is_not(None)).values(due_at=now())
        return self._take(update, job.id, Step.EVENT_UNSENT)

    def claim(self, job_id: str, channel: Channel) -> NotificationClaim | None:
        """Claim a pending notification for CLAIM_SECONDS, and count an attempt."""
        claim = NotificationClaim(job_id, channel, token=secrets.token_hex(12))
        free = (*_is_pending(job_id, channel), _is_unclaimed(now()))
        values = {"claimed_until": now() + CLAIM_SECONDS, "attempts": table.c.attempts + 1}
        update = sa.update(table).where(*free).values(claim=claim.token, **values)
        return claim if self._take(update, job_id, Step.MAIL_CLAIMED, **_entry(claim)) else None

    def is_pending(self, job_id: str, channel: Channel) -> bool:
        """Return whether a job has a notification that is neither delivered nor given up."""
        query = sa.select(table.c.job).where(*_is_pending(job_id, channel))
        with self._database.read() as connection:
            return connection.scalar(query) is not None

    def holds(self, claim: NotificationClaim) -> bool:
        """Return whether a claim is still that of the notification; it is not if the job was retried or deleted."""
        query = sa.select(table.c.job).where(*_is_mine(claim))
        with self._database.read() as connection:
            return connection.scalar(query) is not None

    def mark_delivered(self, claim: NotificationClaim) -> bool:
        """Record that the recipient's server accepted the notification."""
        return self._settle(claim, Step.MAIL_DELIVERED, delivered_at=now(), last_error=None)

    def give_up(self, claim: NotificationClaim, *, reason: str) -> bool:
        """Record that the notification can never be delivered."""
        return self._settle(claim, Step.MAIL_GAVE_UP, last_error=reason[:MAX_MESSAGE_LENGTH])

    def release(self, claim: NotificationClaim, *, cause: str) -> bool:
        """Release a claim after a temporary failure, so that any worker can claim the notification again."""
        update = _end_of(claim, last_error=cause[:MAX_MESSAGE_LENGTH])
        return self._take(update, claim.job_id, Step.MAIL_RELEASED, **_entry(claim, detail=cause))

    def _settle(self, claim: NotificationClaim, step: Step, **values: Any) -> bool:
        """End a claim, and record the change on the job, whose document shows it.

        The job is changed first, as in the transactions that change a job and then its notifications, which could
        deadlock otherwise.
        """
        mine = sa.select(table.c.job).where(*_is_mine(claim)).scalar_subquery().is_not(None)
        touch = sa.update(jobs).where(jobs.c.id == claim.job_id, mine).values(updated_at=next_update)
        update = _end_of(claim, due_at=None, **values)

        def settle(connection: Connection) -> bool:
            connection.execute(touch)
            return take_step(connection, update, claim.job_id, step, **_entry(claim, detail=values["last_error"]))

        return self._database.transact(settle)

    def _take(self, update: sa.Update, job_id: str, step: Step, **entry: Any) -> bool:
        """Take a step, and record it with these values, unless another process acted first."""
        return self._database.transact(lambda connection: take_step(connection, update, job_id, step, **entry))


def _entry(claim: NotificationClaim, *, detail: str | None = None) -> dict[str, Any]:
    """Return the values of the entry for a step that is taken under a claim."""
    attempt = attempts_to_notify(claim.job_id, claim.channel)
    return {"attempt": attempt, "claim": claim.token, "detail": detail}


def _is_pending(job_id: str, channel: Channel) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.job == job_id, table.c.channel == channel, table.c.due_at.is_not(None)


def _is_mine(claim: NotificationClaim) -> tuple[sa.ColumnElement[bool], ...]:
    return (*_is_pending(claim.job_id, claim.channel), table.c.claim == claim.token)


def _end_of(claim: NotificationClaim, **values: Any) -> sa.Update:
    return sa.update(table).where(*_is_mine(claim)).values(claim=None, claimed_until=None, **values)


def _is_unclaimed(moment: sa.ColumnElement[float]) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.claimed_until.is_(None), table.c.claimed_until < moment)


def _is_due(moment: sa.ColumnElement[float]) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.due_at <= moment, _is_unclaimed(moment))
