"""Decides what happens to a message after its function was called: accept, retry or reject."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import DELAYS
from soundlift.common.errors import BadEvent
from soundlift.common.events import STRUCTURED, from_http
from soundlift.connector.function_client import FunctionResponse

PERMANENT_FAILURES = frozenset({400, 401, 403, 405, 410, 413, 415, 422})
MAX_DETAIL_LENGTH = 500
BUSY = 429
BUSY_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Accept:
    """The decision to remove a message, once the reply is published."""

    status: int
    reply: CloudEvent | None = None


@dataclass(frozen=True)
class Retry:
    """The decision to deliver a message again after `delay` seconds."""

    delay: float
    detail: str
    status: int | None = None


@dataclass(frozen=True)
class Reject:
    """The decision to make a message a dead letter."""

    detail: str
    status: int | None = None


Decision = Accept | Retry | Reject


@dataclass(frozen=True)
class RetryPolicy:
    """The maximum number of deliveries of a message, and the delays between them in seconds, ascending."""

    max_attempts: int
    delays: tuple[float, ...] = DELAYS

    def decide(self, response: FunctionResponse, attempt: int, *, now: datetime) -> Decision:
        """Return the decision after the `attempt`th delivery of a message, counted from 1."""
        status = response.status
        if status in PERMANENT_FAILURES:
            return Reject(_error_detail(response), status)
        if status is not None and 200 <= status < 300:
            return self._decide_on_success(response, status, attempt)
        min_delay = _retry_after(response.headers, now)
        return self.retry_or_reject(attempt, _error_detail(response), status=status, min_delay=min_delay)

    def retry_or_reject(
        self, attempt: int, detail: str, *, status: int | None = None, min_delay: float = 0.0
    ) -> Retry | Reject:
        """Return Reject after the last attempt, else Retry with the shortest delay that is long enough.

        The delay is no shorter than the one of this attempt, and no longer than the longest of `delays`.
        """
        if attempt >= self.max_attempts:
            return Reject(detail, status)
        scheduled = self.delays[min(attempt, len(self.delays)) - 1]
        required = max(scheduled, min_delay)
        delay = next((delay for delay in self.delays if delay >= required), self.delays[-1])
        return Retry(delay, detail, status)

    @staticmethod
    def is_at_its_limit(response: FunctionResponse, *, now: datetime) -> bool:
        """Return whether the function is busy, but may be free again within a second, as far as it says.

        A 429 with a longer Retry-After is about one event, such as a mail that another worker is sending.
        """
        return response.status == BUSY and _retry_after(response.headers, now) <= BUSY_PAUSE_SECONDS

    def _decide_on_success(self, response: FunctionResponse, status: int, attempt: int) -> Decision:
        if not response.body or not _claims_to_be_an_event(response.headers):
            return Accept(status)
        try:
            return Accept(status, from_http(response.headers, response.body))
        except BadEvent as error:
            return self.retry_or_reject(attempt, f"The reply is unreadable: {error.detail}", status=status)


def _claims_to_be_an_event(headers: Mapping[str, str]) -> bool:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == STRUCTURED or any(name.startswith("ce-") for name in headers)


def _error_detail(response: FunctionResponse) -> str:
    """Return the detail of a problem document (RFC 9457), else the error or the body as text."""
    try:
        text = str(json.loads(response.body)["detail"])
    except (ValueError, KeyError, TypeError):
        text = response.error or response.body.decode(errors="replace").strip()
    return text[:MAX_DETAIL_LENGTH] or f"The function returned {response.status}."


def _retry_after(headers: Mapping[str, str], now: datetime) -> float:
    """Return Retry-After in seconds, given as a number or a date (RFC 9110, section 10.2.3); 0 without one."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
