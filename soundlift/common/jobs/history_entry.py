"""The steps that the history of a job consists of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """What happened to a job or to its notification; most steps are named after the state that they lead to."""

    RECEIVING = "receiving"
    IMPORTING = "importing"
    IMPORT_CLAIMED = "import_claimed"
    IMPORT_RELEASED = "import_released"
    IMPORT_FAILED = "import_failed"
    ADOPTED = "adopted"
    QUEUED = "queued"
    UPLOAD_FAILED = "upload_failed"
    UPLOAD_INTERRUPTED = "upload_interrupted"
    UPLOAD_REPLACED = "upload_replaced"  # by another upload with the same key
    UPLOAD_CANCELLED = "upload_cancelled"
    CLAIMED = "claimed"
    RELEASED = "released"
    READY = "ready"
    FAILED = "failed"
    GAVE_UP = "gave_up"
    VIDEO_LOST = "video_lost"  # found by `soundlift reconcile`, as the next one
    AUDIO_LOST = "audio_lost"
    CANCELLED = "cancelled"
    RETRIED = "retried"
    EXPIRED = "expired"
    FILES_DELETED = "files_deleted"
    DELETED = "deleted"
    EVENT_RESENT = "event_resent"
    EVENT_UNSENT = "event_unsent"
    MAIL_CLAIMED = "mail_claimed"
    MAIL_RELEASED = "mail_released"
    MAIL_DELIVERED = "mail_delivered"
    MAIL_GAVE_UP = "mail_gave_up"
    WEBHOOK_RELEASED = "webhook_released"
    WEBHOOK_DELIVERED = "webhook_delivered"
    WEBHOOK_GAVE_UP = "webhook_gave_up"
    OMITTED = "omitted"  # in the place of steps that were deleted to limit the length of a history


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One step of a job, `at` seconds since 1970.

    `attempt` counts the attempts to convert it, or to send its mail, and `claim` is the token of the claim under which
    the step was taken. `detail` is the cause, if there is one. `step` may be one of a newer release.
    """

    at: float
    step: str
    attempt: int | None
    claim: str | None
    detail: str | None
