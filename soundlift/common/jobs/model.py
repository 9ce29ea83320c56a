"""A job as its row describes it; imports no SQL, so that the connector needs none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

MOST_ATTEMPTS = 3
GIVE_UP_SECONDS = 24 * 3600
FIRST_RESEND_SECONDS = 600
FIRST_NOTIFICATION_RESEND_SECONDS = 60  # sooner: sending a mail takes no minute, and somebody waits for it
LONGEST_RESEND_SECONDS = 6 * 3600
# An upload at the least rate of a body needs 17.5 minutes for a block, and refreshes its row between two blocks.
RECEIVE_SECONDS = 20 * 60


class State(StrEnum):
    """The states of a job."""

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
    """One row as it was read; times in seconds since 1970, `length` and `lost` in seconds of sound.

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
    """One worker's right to a job for a while; `mp3_fid` is where it may put the sound."""

    job_id: str
    token: str
    mp3_fid: str | None = None


def finite(value: float | None) -> float | None:
    """Return a number as it is, None for infinity and NaN, which JSON cannot carry (RFC 8259, section 6)."""
    return value if value is not None and math.isfinite(value) else None


def last_words(job: Job) -> str:
    """Return the sentence for a job that was given up."""
    why = f" The last cause: {job.last_cause}" if job.last_cause else ""
    if job.attempts >= MOST_ATTEMPTS:
        return f"The conversion broke off {job.attempts} times, so we gave up.{why}"
    return f"The video could not be converted within a day, so we gave up.{why}"
