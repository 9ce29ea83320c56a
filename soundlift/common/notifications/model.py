"""A notification: what is sent over one channel to the owner of a job that ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CLAIM_SECONDS = 60  # longer than any attempt; the notification of a worker that died waits this long
MIN_RESEND_SECONDS = 60
MAX_RESEND_SECONDS = 6 * 3600


class Channel(StrEnum):
    """A way to notify the owner of a job; a job has one mail, and a delivery for each of its webhooks."""

    MAIL = "mail"
    WEBHOOK = "webhook"  # stored by webhooks/deliveries.py


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One row as it was read; times in seconds since 1970.

    It is pending while it is neither delivered nor given up. `last_error` is the reason why the last attempt failed.
    `webhook` is the id of the endpoint, if the channel is a webhook.
    """

    job: str
    channel: Channel
    attempts: int
    due_at: float | None
    delivered_at: float | None
    last_error: str | None
    webhook: str | None = None

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
