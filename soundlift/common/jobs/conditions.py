"""The columns, conditions and values of a job's row, as SQL.

`moment` is the time to compare with: `now` in a step, `statement_start` in a query, which then can use an index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import sqlalchemy as sa

from soundlift.common.db.clock import now
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import (
    FIRST_RESEND_SECONDS,
    GIVE_UP_SECONDS,
    HIDDEN,
    MAX_RESEND_SECONDS,
    OUTCOMES,
    AudioDescription,
    Claim,
    Job,
    State,
    finite_or_none,
)
from soundlift.common.notifications.rows import has_pending_notification

MAX_INTEGER = 2**31 - 1
MAX_CODEC_LENGTH = 32
MIN_UPDATE_STEP = 1e-6  # seconds; a double of today's date has a resolution of 2.4e-7

Moment = sa.ColumnElement[float]

_is_import = sa.and_(table.c.state == State.RECEIVING, table.c.source_url.is_not(None))
# An import in progress has the state of an upload in its row. Functions of an older release, which do not know imports,
# hide such a job and, since it has no `upload_deadline`, leave it alone; any other state would stop them.
state_column: sa.ColumnElement[str] = sa.case((_is_import, State.IMPORTING.value), else_=table.c.state)
_computed: dict[str, sa.ColumnElement[Any]] = {
    "claim_lapsed": sa.func.coalesce(table.c.claimed_until < now(), sa.true()),
    "has_waveform": table.c.waveform.is_not(None),
}
_audio_names = [item.name for item in fields(AudioDescription)]
_names = [item.name for item in fields(Job) if item.name != "audio"] + _audio_names
_expressions = {**_computed, "state": state_column}
job_columns = [_expressions[name].label(name) if name in _expressions else table.c[name] for name in _names]
too_old = sa.func.coalesce(table.c.retried_at, table.c.created_at) < now() - GIVE_UP_SECONDS
# Strictly increasing for each job, even if the clock is coarse or is set back, so that no two versions look the same.
next_update = sa.case((now() > table.c.updated_at, now()), else_=table.c.updated_at + MIN_UPDATE_STEP)
next_resend_at = now() + sa.case(
    *((table.c.resend_count == count, FIRST_RESEND_SECONDS * 2**count) for count in range(6)),
    else_=MAX_RESEND_SECONDS,
)


def job_from_row(row: sa.Row[Any]) -> Job:
    """Return the job of a row with the `job_columns`."""
    values = {column.name: row._mapping[column.name] for column in job_columns}
    audio = _audio({name: values.pop(name) for name in _audio_names}, mp3_bytes=values["mp3_bytes"])
    seconds = {name: finite_or_none(values[name]) for name in ("length", "missing_seconds")}
    answers = {name: bool(values[name]) for name in _computed}
    return Job(**{**values, **seconds, **_times(values), **answers, "state": State(values["state"]), "audio": audio})


def _audio(values: dict[str, Any], *, mp3_bytes: int | None) -> AudioDescription | None:
    """Return the description of an audio file; those that functions of an older release have made are MP3s."""
    if mp3_bytes is None:
        return None
    copied = None if values["copied"] is None else bool(values["copied"])
    return AudioDescription(**{**values, "format": values["format"] or "mp3", "copied": copied})


def audio_columns(audio: AudioDescription) -> dict[str, Any]:
    """Return the columns for an audio file. Numbers that do not fit, which a hostile file may have, are unknown."""
    values = asdict(audio)
    numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
    unknown = {name: None for name, number in numbers.items() if not 0 <= number <= MAX_INTEGER}
    return {**values, **unknown, "codec": audio.codec and audio.codec[:MAX_CODEC_LENGTH]}


def _times(values: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the times that functions of an older release do not write; a change of state is their latest change."""
    ended_at = values["changed_at"] if values["state"] in (*OUTCOMES, State.CANCELLED) else None
    return {
        "updated_at": max(values["updated_at"], values["changed_at"]),
        "ended_at": ended_at if values["ended_at"] is None else values["ended_at"],
    }


def is_receiving() -> sa.ColumnElement[bool]:
    """Select uploads in progress."""
    return sa.and_(table.c.state == State.RECEIVING, table.c.source_url.is_(None))


def is_import() -> sa.ColumnElement[bool]:
    """Select imports in progress."""
    return _is_import


def is_listed() -> sa.ColumnElement[bool]:
    """Select jobs that their owner sees."""
    return sa.or_(table.c.state.not_in(HIDDEN), _is_import)


def holds_claim(claim: Claim) -> sa.ColumnElement[bool]:
    """Select the row while this claim to convert it is valid."""
    return sa.and_(table.c.claim == claim.token, table.c.state == State.CONVERTING, table.c.claimed_until > now())


def is_unclaimed() -> sa.ColumnElement[bool]:
    """Select jobs that wait for a worker: queued, or converting with a lapsed claim."""
    lapsed = sa.and_(table.c.state == State.CONVERTING, table.c.claimed_until < now())
    return sa.or_(table.c.state == State.QUEUED, lapsed)


def is_due(moment: Moment) -> sa.ColumnElement[bool]:
    """Select jobs that wait for a worker and whose event must be resent."""
    unclaimed = sa.or_(table.c.claimed_until.is_(None), table.c.claimed_until < moment)
    return sa.and_(table.c.resend_at <= moment, unclaimed)


def is_interrupted(moment: Moment) -> sa.ColumnElement[bool]:
    """Select uploads that have not extended their lease for RECEIVE_SECONDS."""
    return table.c.upload_deadline < moment


def needs_purge(moment: Moment) -> sa.ColumnElement[bool]:
    """Select jobs whose files must be deleted: deleted and expired ones, and imports that ended without a video."""
    return table.c.purge_after <= moment


def is_past_retention(retention: int, moment: Moment) -> sa.ColumnElement[bool]:
    """Select jobs that may expire and that ended `retention` seconds ago or earlier."""
    return sa.and_(may_expire(), table.c.changed_at < moment - retention)


def may_expire() -> sa.ColumnElement[bool]:
    """Select cancelled jobs, and outcomes whose notifications are all delivered or given up."""
    return sa.and_(table.c.state.in_((*OUTCOMES, State.CANCELLED)), ~has_pending_notification())


def is_row_expired(retention: int, moment: Moment) -> sa.ColumnElement[bool]:
    """Select expired jobs without files that ended or expired `retention` seconds ago or earlier."""
    return sa.and_(
        table.c.state == State.EXPIRED, table.c.purge_after.is_(None), table.c.changed_at < moment - retention
    )
