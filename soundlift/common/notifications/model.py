"""A notification: what is sent over one channel to the owner of a job that ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CLAIM_SECONDS = 60  # longer than any attempt; a notification whose worker died waits this long
SHORTEST_RESEND_SECONDS = 60
LONGEST_RESEND_SECONDS = 6 * 3600


class Channel(StrEnum):
    """The ways to notify the owner of a job; each has one notification per job."""

    MAIL = "mail"


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One row as it was read; times in seconds since 1970.

    It is pending while it is neither delivered nor given up. `last_error` is the reason of the last failed attempt.
    """

    job: str
    channel: Channel
    attempts: int
    due_at: float | None
    delivered_at: float | None
    last_error: str | None

    @property
    def error(self) -> str | None:
        """Return why the notification was given up; None if it was delivered or is pending."""
        return self.last_error if self.due_at is None and self.delivered_at is None else None


@dataclass(frozen=True)
class NotificationClaim:
    """One worker's right to send a notification, for CLAIM_SECONDS."""

    job_id: str
    channel: Channel
    token: str
