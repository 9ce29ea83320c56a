"""The limits of what one user may upload in an hour and have converted in a day.

The length of a video is not known before its conversion begins. So an upload is refused once the minutes of the day are
used up, and a conversion once it is known that the file has more of them than are left.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs as table
from soundlift.common.errors import TooManyMinutes, TooManyUploads
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import Claim, State
from soundlift.common.jobs.recent import HOUR, MINUTE, Recent, count, recent_seconds, recent_uploads

LEAST_SECONDS = 1.0  # of sound; with less of them left, no upload is accepted


def admit_upload(connection: Connection, username: str, limits: Limits) -> None:
    """Admit and count an upload in a transaction that holds the user's lock.

    Raises TooManyUploads or TooManyMinutes.
    """
    if limits.uploads_per_hour:
        _check_uploads(recent_uploads(connection, username), limits.uploads_per_hour)
    if limits.minutes_per_day:
        _check_minutes(_seconds_with_reserved(connection, username), limits.minutes_per_day)
    count(connection, username, uploads=1)


def admit_sound(connection: Connection, claim: Claim, username: str, seconds: float, limit: int) -> None:
    """Admit sound that is about to be converted in a transaction that holds the user's lock.

    Raises TooManyMinutes if the sound is longer than what is left of `limit` minutes.
    """
    recent = _seconds_with_reserved(connection, username, besides=claim.job_id)
    if recent.total + max(seconds, LEAST_SECONDS) <= limit * MINUTE:
        return
    used = f"{_minutes_text(limit)} of your sound are converted in 24 hours: {recent.total / MINUTE:.1f} are used"
    if seconds > limit * MINUTE:
        hint = "Upload it again with start and end, to convert a part of it."
    else:
        wait = recent.seconds_until_fits(max(seconds, LEAST_SECONDS), limit * MINUTE)
        hint = f"Try it again on {recent.date_in(wait)}."
    raise TooManyMinutes(f"At most {used}, and this file has {seconds / MINUTE:.1f}. {hint}")


def rate_limit_fields(recent: Recent, limit: int) -> dict[str, str]:
    """Return the header fields that state the limit of uploads (draft-ietf-httpapi-ratelimit-headers-11).

    There is none for the minutes of sound: the draft has no unit for them.
    """
    left = max(0, limit - round(recent.total))
    return {
        "RateLimit-Policy": f'"uploads";q={limit};w={HOUR}',
        "RateLimit": f'"uploads";r={left};t={recent.seconds_until_less}',
    }


def _check_uploads(recent: Recent, limit: int) -> None:
    if wait := recent.seconds_until_fits(1, limit):
        files = "1 file" if limit == 1 else f"{limit} files"
        detail = f"You may upload at most {files} in an hour, and you have uploaded {recent.total:.0f}"
        fields = rate_limit_fields(recent, limit)
        raise TooManyUploads(f"{detail}. Upload more on {recent.date_in(wait)}.", retry_after=wait, rate_limit=fields)


def _check_minutes(recent: Recent, limit: int) -> None:
    if wait := recent.seconds_until_fits(LEAST_SECONDS, limit * MINUTE):
        limits = f"{_minutes_text(limit)} of your sound are converted in 24 hours"
        used = f"{recent.total / MINUTE:.1f} are used"
        raise TooManyMinutes(f"At most {limits}, and {used}. Upload more on {recent.date_in(wait)}.", retry_after=wait)


def _minutes_text(limit: int) -> str:
    return "1 minute" if limit == 1 else f"{limit} minutes"


def _seconds_with_reserved(connection: Connection, username: str, besides: str = "") -> Recent:
    """Return the seconds of sound that were converted lately, with those of the other conversions in progress."""
    theirs = sa.and_(table.c.username == username, table.c.state == State.CONVERTING, table.c.claimed_until > now())
    query = sa.select(sa.func.sum(table.c.reserved_seconds)).where(theirs, table.c.id != besides)
    reserved = connection.scalar(force_index(query, table, "job_in_quota")) or 0.0
    recent = recent_seconds(connection, username)
    return recent.plus(reserved) if reserved else recent
