"""Carries a delivery to its function, the function's reply to the broker, and the verdict back."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import structlog
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import Consumer, Delivery, Publisher
from soundlift.common.errors import BadEvent, BrokerUnavailable
from soundlift.common.events import from_message, traceparent_of
from soundlift.common.log import begin_trace, bind_job
from soundlift.connector.calls import Caller
from soundlift.connector.discovery import Subscriber
from soundlift.connector.verdict import Accept, Patience, Reject, Retry, Verdict

PAUSE_SECONDS = 1.0

log = structlog.get_logger()


class Courier:
    """Does all that one delivery needs; safe to share between threads."""

    def __init__(self, consumer: Consumer, publisher: Publisher, caller: Caller, patience: Patience) -> None:
        self._consumer = consumer
        self._publisher = publisher
        self._caller = caller
        self._patience = patience

    def carry(self, delivery: Delivery, subscriber: Subscriber) -> None:
        """Call the function, publish its reply, and settle the message, whatever happens."""
        _begin_log(delivery, subscriber, None)
        try:
            verdict = self._deliver(delivery, subscriber)
        except Exception as error:
            log.exception("unforeseen error")
            verdict = self._patience.again(delivery.attempt, f"Unforeseen error: {error}")
        self._settle(delivery, subscriber, verdict)

    def _deliver(self, delivery: Delivery, subscriber: Subscriber) -> Verdict:
        try:
            event = from_message(delivery.message)
        except BadEvent as error:
            return Reject(error.detail)
        _begin_log(delivery, subscriber, event)
        answer = self._caller.call(subscriber.url, event)
        verdict = self._patience.judge(answer, delivery.attempt, now=datetime.now(UTC))
        if isinstance(verdict, Accept) and verdict.reply is not None:
            return self._publish(delivery, verdict, verdict.reply)
        return verdict

    def _publish(self, delivery: Delivery, verdict: Accept, reply: CloudEvent) -> Verdict:
        try:
            self._publisher.publish(reply)
        except BrokerUnavailable as error:
            detail = f"The reply could not be published: {error.detail}"
            return self._patience.again(delivery.attempt, detail, status=verdict.status)
        return verdict

    def _settle(self, delivery: Delivery, subscriber: Subscriber, verdict: Verdict) -> None:
        """Give the verdict, as often as it takes: a claim kept alive without one would hide the message for good."""
        while True:
            try:
                return self._give(delivery, subscriber, verdict)
            except BrokerUnavailable as error:
                log.warning("verdict waits for the broker", detail=error.detail, **error.evidence)
                time.sleep(PAUSE_SECONDS)

    def _give(self, delivery: Delivery, subscriber: Subscriber, verdict: Verdict) -> None:
        match verdict:
            case Accept(status, reply):
                self._consumer.accept(delivery)
                log.info("delivered", status=status, reply=reply and reply.get_type())
            case Retry(delay, detail, status):
                self._consumer.retry(delivery, delay=delay)
                log.warning("delivery waits", status=status, detail=detail, delay=delay)
            case Reject():
                reason = _reason(delivery, subscriber, verdict)
                self._consumer.reject(delivery, reason)
                log.error("dead letter", **reason)


def _begin_log(delivery: Delivery, subscriber: Subscriber, event: CloudEvent | None) -> None:
    begin_trace(traceparent_of(event) if event else None)
    structlog.contextvars.bind_contextvars(function=subscriber.name, queue=delivery.queue, attempt=delivery.attempt)
    job_id = _job_id_of(event) if event else None
    if job_id:
        bind_job(job_id)


def _job_id_of(event: CloudEvent) -> str | None:
    data = event.get_data()
    job_id = event.get_subject() or (data.get("job_id") if isinstance(data, dict) else None)
    return job_id if isinstance(job_id, str) else None


def _reason(delivery: Delivery, subscriber: Subscriber, verdict: Reject) -> dict[str, Any]:
    return {
        "function": subscriber.name,
        "status": verdict.status,
        "detail": verdict.detail,
        "attempts": delivery.attempt,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
