"""Is one job as its row says, and the conditions a row is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from soundlift.common.db.database import jobs as table
from soundlift.common.db.database import now

MOST_ATTEMPTS = 3
GIVE_UP_SECONDS = 24 * 3600
FIRST_RESEND_SECONDS = 600
FIRST_NOTIFICATION_RESEND_SECONDS = 60  # sooner: sending a mail takes no minute, and somebody waits for it
LONGEST_RESEND_SECONDS = 6 * 3600
# An upload at the least rate of a body needs 17.5 minutes for a block, and refreshes its row between two blocks.
RECEIVE_SECONDS = 20 * 60


class State(StrEnum):
    """Names where a job is on its way."""

    RECEIVING = "receiving"
    QUEUED = "queued"
    CONVERTING = "converting"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DELETED = "deleted"


WAITING = (State.QUEUED, State.CONVERTING)
OUTCOMES = (State.READY, State.FAILED)
ENDED = (*OUTCOMES, State.CANCELLED, State.EXPIRED)
HIDDEN = (State.RECEIVING, State.DELETED)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Is one row as it was read; times in seconds since 1970, `length` and `lost` in seconds of sound.

    `options` is what AudioOptions.from_json reads, or None where the job names none. `lost` could not be read; it is
    None where that is not known.
    """

    id: str
    username: str
    state: State
    file_name: str
    content_type: str
    video_fid: str
    video_bytes: int | None
    mp3_fid: str | None
    mp3_bytes: int | None
    length: float | None
    lost: float | None
    options: str | None
    percent: int
    error_code: str | None
    error: str | None
    claim: str | None
    claim_lapsed: bool
    attempts: int
    sent: int
    told_at: float | None
    mail_error: str | None
    last_cause: str | None
    traceparent: str | None
    created_at: float
    changed_at: float

    @property
    def ended(self) -> bool:
        """Tell whether nothing more will happen to the sound of this job."""
        return self.state in ENDED


@dataclass(frozen=True)
class Claim:
    """Is one worker's right to a job for a while; `mp3_fid` is where it may put the sound."""

    job_id: str
    token: str
    mp3_fid: str | None = None


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


def finite(value: float | None) -> float | None:
    """Return a number as it is, None for infinity and NaN, which JSON cannot carry (RFC 8259, section 6)."""
    return value if value is not None and math.isfinite(value) else None


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


def last_words(job: Job) -> str:
    """Return the sentence for a job that was given up."""
    why = f" The last cause: {job.last_cause}" if job.last_cause else ""
    if job.attempts >= MOST_ATTEMPTS:
        return f"The conversion broke off {job.attempts} times, so we gave up.{why}"
    return f"The video could not be converted within a day, so we gave up.{why}"
