"""A job as its row describes it. Imports no SQL library, since the connector, which imports this module, has none."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

JOB_ID = re.compile(r"[0-9a-f]{24}")
MAX_ARCHIVE_JOBS = 100  # in one ZIP file whose URL names them
MAX_POSTED_JOBS = 1000  # in one ZIP file for which a body names them
BATCH = 100  # maximum number of jobs that cleanup lists at a time
MAX_ATTEMPTS = 3
CLAIM_SECONDS = 30  # a worker renews its claim to convert a job before this time is over
GIVE_UP_SECONDS = 24 * 3600
FIRST_RESEND_SECONDS = 600
MAX_RESEND_SECONDS = 6 * 3600
# An upload in progress extends its lease every few seconds. After the shorter time, an upload with the same key may
# take its place; after the longer one, which also bridges an outage of the database, cleanup abandons it.
UPLOAD_LEASE_SECONDS = 30
RECEIVE_SECONDS = 20 * 60
MAX_IMPORT_ATTEMPTS = 5
# The pauses after each attempt to import that failed because of the server.
IMPORT_RETRY_SECONDS = (30, 120, 600, 1800)
MAX_MESSAGE_LENGTH = 1000  # characters
MAX_DATE = datetime(9999, 12, 31, tzinfo=UTC).timestamp()  # the last that Python and ISO 8601 can write


class State(StrEnum):
    """The states of a job."""

    RECEIVING = "receiving"
    IMPORTING = "importing"
    QUEUED = "queued"
    CONVERTING = "converting"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DELETED = "deleted"


WAITING = (State.QUEUED, State.CONVERTING)
CANCELLABLE = (State.IMPORTING, *WAITING)
OUTCOMES = (State.READY, State.FAILED)
ENDED = (*OUTCOMES, State.CANCELLED, State.EXPIRED)
HIDDEN = (State.RECEIVING, State.DELETED)
RETRYABLE = (State.FAILED, State.CANCELLED)
# The error codes of jobs whose video is not in the store any more, so that nobody can convert it again.
VIDEO_LOST = "video_lost"
AUDIO_LOST = "audio_lost"
LOST = (VIDEO_LOST, AUDIO_LOST)


@dataclass(frozen=True, kw_only=True)
class AudioDescription:
    """The contents of an audio file: the names of its format and, as in FFmpeg, of its codec; None means unknown.

    `bitrate` is the average in kbit/s, `sample_rate` is in Hz. `copied` means that the track was
    not encoded again. `cut_start` and `cut_end` are the positions in the source, in seconds, between which a copied
    track was cut out; both are None if it was not cut.
    """

    format: str
    codec: str | None = None
    bitrate: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    copied: bool | None = None
    cut_start: float | None = None
    cut_end: float | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One row as it was read; times in seconds since 1970, `length` and `missing_seconds` in seconds of sound.

    `source_url` is where the video comes from, as it may be shown, or None for an upload.
    `options` is what AudioOptions.from_json reads, or None if the job has none; `webhook` is the id of the webhook that
    the upload names. `missing_seconds` of the sound could not be read; None means unknown. `audio` describes the audio
    file; None until there is one.
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
    missing_seconds: float | None
    audio: AudioDescription | None
    options: str | None
    webhook: str | None
    percent: int
    error_code: str | None
    error: str | None
    claim: str | None
    claim_lapsed: bool
    attempts: int
    resend_at: float | None
    resend_count: int
    last_cause: str | None
    traceparent: str | None
    created_at: float
    changed_at: float
    ended_at: float | None
    has_waveform: bool
    updated_at: float
    retries: int
    source_url: str | None

    @property
    def has_video(self) -> bool:
        """Return whether the store got the complete video; an import may have ended before."""
        return self.source_url is None or self.video_bytes is not None

    @property
    def ended(self) -> bool:
        """Return whether the conversion of this job is over."""
        return self.state in ENDED


@dataclass(frozen=True)
class Claim:
    """One worker's right to convert a job, until the claim lapses; `mp3_fid` is the id for its audio file."""

    job_id: str
    token: str
    mp3_fid: str


@dataclass(frozen=True, kw_only=True)
class StoredPart:
    """How much of an imported file is stored, and what its server said of the file; None means unknown.

    `received` bytes are stored for certain, by the account of `state` of the store. The rest can only follow with a
    strong `validator`.
    """

    received: int
    state: str
    length: int | None
    validator: str | None
    file_name: str | None
    content_type: str | None


@dataclass(frozen=True)
class ImportClaim:
    """One worker's right to import a job's video from `url` as `video_fid`, until the claim lapses.

    `part` is what earlier attempts have stored as `video_fid`, and `epoch` is that of this attempt.
    """

    job_id: str
    token: str
    video_fid: str
    url: str
    is_named: bool
    attempts: int
    epoch: int = 1
    part: StoredPart | None = None


def finite_or_none(value: float | None) -> float | None:
    """Return a number unchanged, or None for infinity and NaN, which JSON cannot carry (RFC 8259, section 6)."""
    return value if value is not None and math.isfinite(value) else None


def give_up_message(job: Job) -> str:
    """Return the error message of a job that is given up."""
    cause = f" The last cause: {job.last_cause}" if job.last_cause else ""
    if job.attempts >= MAX_ATTEMPTS:
        return f"The conversion was interrupted {job.attempts} times, so we gave up.{cause}"
    return f"The video could not be converted within a day, so we gave up.{cause}"
