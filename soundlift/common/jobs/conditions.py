"""The conditions and values of a job's row, as SQL."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from soundlift.common.db.clock import now
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import (
    FIRST_RESEND_SECONDS,
    GIVE_UP_SECONDS,
    LONGEST_RESEND_SECONDS,
    OUTCOMES,
    Claim,
    Job,
    State,
    finite,
)

_lapsed = sa.func.coalesce(table.c.claimed_until < now(), sa.true()).label("claim_lapsed")
columns = [_lapsed if item.name == "claim_lapsed" else table.c[item.name] for item in fields(Job)]
too_old = table.c.created_at < now() - GIVE_UP_SECONDS
resend_at = now() + sa.case(
    *((table.c.sent == sent, FIRST_RESEND_SECONDS * 2**sent) for sent in range(6)), else_=LONGEST_RESEND_SECONDS
)


def job_of(row: sa.Row[Any]) -> Job:
    """Return the job that a selected row shows."""
    values = dict(row._mapping)
    seconds = {name: finite(values[name]) for name in ("length", "lost")}
    state = State(values["state"])
    return Job(**{**values, **seconds, "state": state, "claim_lapsed": bool(values["claim_lapsed"])})


def is_mine(claim: Claim) -> sa.ColumnElement[bool]:
    """Select the row only while this claim to convert it holds."""
    return sa.and_(table.c.claim == claim.token, table.c.state == State.CONVERTING, table.c.claimed_until > now())


def is_free() -> sa.ColumnElement[bool]:
    """Select jobs that wait for a worker: queued, or converting by a claim that ran out."""
    lapsed = sa.and_(table.c.state == State.CONVERTING, table.c.claimed_until < now())
    return sa.or_(table.c.state == State.QUEUED, lapsed)


def is_due() -> sa.ColumnElement[bool]:
    """Select jobs whose event is to be sent again; one whose mail a worker is sending waits for its claim."""
    unclaimed = sa.or_(table.c.claimed_until.is_(None), table.c.claimed_until < now())
    untold = sa.and_(table.c.state.in_(OUTCOMES), table.c.told_at.is_(None), unclaimed)
    return sa.and_(table.c.due_at <= now(), sa.or_(is_free(), untold))


def is_broken_off() -> sa.ColumnElement[bool]:
    """Select uploads whose bytes stopped coming."""
    return sa.and_(table.c.state == State.RECEIVING, table.c.due_at < now())


def is_past_retention(retention: int) -> sa.ColumnElement[bool]:
    """Select told outcomes and cancelled jobs that ended `retention` seconds ago or earlier."""
    return sa.and_(may_expire(), table.c.changed_at < now() - retention)


def may_expire() -> sa.ColumnElement[bool]:
    """Select told outcomes and cancelled jobs, which expire when their retention is over."""
    told = sa.and_(table.c.state.in_(OUTCOMES), table.c.told_at.is_not(None))
    return sa.or_(told, table.c.state == State.CANCELLED)
