"""Judges what came of a delivery: it is done, waits for another try, or is for people to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import DELAYS
from soundlift.common.errors import BadEvent
from soundlift.common.events import STRUCTURED, from_http

FINAL_STATUSES = frozenset({400, 401, 403, 405, 410, 413, 415, 422})
LONGEST_DETAIL = 500


@dataclass(frozen=True)
class Answer:
    """Is a function's response, its header names in lower case; or, without a status, why there is none."""

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""


@dataclass(frozen=True)
class Accept:
    """Says that the message has done its work, once the reply is published."""

    status: int
    reply: CloudEvent | None = None


@dataclass(frozen=True)
class Retry:
    """Says that the message is to be delivered again after `delay` seconds."""

    delay: float
    detail: str
    status: int | None = None


@dataclass(frozen=True)
class Reject:
    """Says that the message is a dead letter."""

    detail: str
    status: int | None = None


Verdict = Accept | Retry | Reject


@dataclass(frozen=True)
class Patience:
    """Says how many deliveries a message has, and which few delays, ascending and in seconds, lie between them."""

    attempts: int
    delays: tuple[float, ...] = DELAYS

    def judge(self, answer: Answer, attempt: int, *, now: datetime) -> Verdict:
        """Return the verdict on the `attempt`th delivery of a message, beginning with 1."""
        status = answer.status
        if status in FINAL_STATUSES:
            return Reject(_detail_of(answer), status)
        if status is not None and 200 <= status < 300:
            return self._judge_success(answer, status, attempt)
        return self.again(attempt, _detail_of(answer), status=status, at_least=_retry_after(answer.headers, now))

    def again(self, attempt: int, detail: str, *, status: int | None = None, at_least: float = 0.0) -> Verdict:
        """Return Retry with the attempt's delay, or the next one that is long enough; Reject after the last attempt."""
        if attempt >= self.attempts:
            return Reject(detail, status)
        usual = self.delays[min(attempt, len(self.delays)) - 1]
        wanted = max(usual, at_least)
        delay = next((delay for delay in self.delays if delay >= wanted), self.delays[-1])
        return Retry(delay, detail, status)

    def _judge_success(self, answer: Answer, status: int, attempt: int) -> Verdict:
        if not answer.body or not _claims_to_be_an_event(answer.headers):
            return Accept(status)
        try:
            return Accept(status, from_http(answer.headers, answer.body))
        except BadEvent as error:
            return self.again(attempt, f"The reply is unreadable: {error.detail}", status=status)


def _claims_to_be_an_event(headers: Mapping[str, str]) -> bool:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == STRUCTURED or any(name.startswith("ce-") for name in headers)


def _detail_of(answer: Answer) -> str:
    """Return the detail of a problem document (RFC 9457), or what else was said."""
    try:
        text = str(json.loads(answer.body)["detail"])
    except (ValueError, KeyError, TypeError):
        text = answer.error or answer.body.decode(errors="replace").strip()
    return text[:LONGEST_DETAIL] or f"The function answered {answer.status}."


def _retry_after(headers: Mapping[str, str], now: datetime) -> float:
    """Return the seconds that Retry-After asks for, as a number or a date (RFC 9110, section 10.2.3); else 0."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
