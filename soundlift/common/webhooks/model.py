"""Endpoints that get webhooks, and their deliveries (Standard Webhooks 1.0). Imports no SQL library."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from soundlift.common.jobs.model import State

# The pauses in seconds before each attempt, the first of which is immediate (Standard Webhooks, "Retries"); each is
# lengthened by up to a tenth, so that what failed together is not sent together again.
PAUSES = (0, 5, 300, 1800, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24)))
JITTER = 0.1
MAX_ATTEMPTS = len(PAUSES)
MAX_RETRY_AFTER_SECONDS = 24 * 3600  # a receiver cannot postpone the next attempt for longer
CLAIM_SECONDS = 60  # longer than any attempt; the delivery of a worker that died waits this long
ROTATION_SECONDS = 24 * 3600  # after a new secret was made, the previous one also signs for this long
KEEP_SECONDS = 30 * 24 * 3600  # how long a delivery is listed


class EventType(StrEnum):
    """What a webhook announces."""

    READY = "job.ready"
    FAILED = "job.failed"
    TEST = "webhook.test"


TYPE_OF_STATE = {State.READY: EventType.READY, State.FAILED: EventType.FAILED}


class EndpointState(StrEnum):
    """Whether an endpoint gets deliveries."""

    ACTIVE = "active"
    FAILING = "failing"  # it gets deliveries, but one of them was given up, and none has succeeded since
    DISABLED = "disabled"  # by its owner, or by its own response 410


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One row as it was read; times in seconds since 1970.

    It gets all jobs of its owner if `all_jobs`, else those whose upload names it. `detail` is the reason why it is
    failing or disabled. `previous_secret` also signs until `previous_until`.
    """

    id: str
    username: str
    url: str
    secret: str = field(repr=False)
    previous_secret: str | None = field(repr=False)
    previous_until: float | None
    all_jobs: bool
    state: EndpointState
    detail: str | None
    created_at: float
    changed_at: float

    @property
    def disabled(self) -> bool:
        """Return whether the endpoint gets no deliveries."""
        return self.state == EndpointState.DISABLED


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One row as it was read; times in seconds since 1970. It is pending while it is neither delivered nor given up.

    `last_status` is that of the last response, if there was one, and `last_error` the reason why the attempt failed.
    """

    id: str
    webhook: str
    username: str
    job: str | None
    type: EventType
    created_at: float
    attempts: int
    due_at: float | None
    delivered_at: float | None
    last_status: int | None
    last_error: str | None

    @property
    def may_repeat(self) -> bool:
        """Return whether another attempt follows one that fails now; a test has only one."""
        return self.type != EventType.TEST and self.attempts < MAX_ATTEMPTS

    @property
    def status(self) -> str:
        """Return `delivered`, `pending` or `failed`."""
        return "delivered" if self.delivered_at is not None else "pending" if self.due_at is not None else "failed"


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed: a sentence, and the status of the response, if there was one.

    The receiver wants no other attempt for `retry_after` seconds.
    """

    error: str
    status: int | None = None
    retry_after: float = 0.0


@dataclass(frozen=True)
class DeliveryClaim:
    """One worker's right to make an attempt, for CLAIM_SECONDS; `delivery.attempts` includes it."""

    delivery: Delivery
    token: str


@dataclass(frozen=True)
class DueDelivery:
    """A delivery whose event must be sent, and the trace of its job's upload."""

    id: str
    job: str | None
    attempts: int
    due_at: float
    traceparent: str | None


@dataclass(frozen=True)
class AlertClaim:
    """One worker's right to send the mail about an endpoint that fails, for CLAIM_SECONDS."""

    endpoint: Endpoint
    token: str
