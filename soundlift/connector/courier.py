"""Carries a delivery to its function, the function's reply to the broker, and the verdict back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import Consumer, Delivery, Publisher
from soundlift.common.errors import BadEvent, BrokerUnavailable
from soundlift.common.events import traceparent_of
from soundlift.common.logging import begin_trace, bind_job
from soundlift.connector.calls import Caller
from soundlift.connector.metrics import DEAD_LETTERED, DELIVERED, FAILED, PUBLISHED, RETRIED, Metrics
from soundlift.connector.reading import Reader
from soundlift.connector.subscriptions import Subscriber
from soundlift.connector.verdict import Accept, Patience, Reject, Retry, Verdict

PAUSE_SECONDS = 1.0
COUNTED_AS = {Accept: DELIVERED, Retry: RETRIED, Reject: DEAD_LETTERED}

log = structlog.get_logger()


@dataclass(frozen=True)
class Courier:
    """Does all that one delivery needs; safe to share between threads."""

    consumer: Consumer
    publisher: Publisher
    reader: Reader
    caller: Caller
    patience: Patience
    metrics: Metrics

    def carry(self, delivery: Delivery, subscriber: Subscriber) -> None:
        """Call the function, publish its reply, and settle the message, whatever happens."""
        _begin_log(delivery, subscriber, None)
        with self.metrics.delivery(delivery.queue, subscriber.name):
            verdict = self._verdict_on(delivery, subscriber)
            self._settle(delivery, subscriber, verdict)
        self.metrics.settled(delivery.queue, subscriber.name, COUNTED_AS[type(verdict)])

    def _verdict_on(self, delivery: Delivery, subscriber: Subscriber) -> Verdict:
        try:
            return self._deliver(delivery, subscriber)
        except Exception as error:
            log.exception("unforeseen error")
            return self.patience.again(delivery.attempt, f"Unforeseen error: {error}")

    def _deliver(self, delivery: Delivery, subscriber: Subscriber) -> Verdict:
        try:
            event = self.reader.read(delivery)
        except BadEvent as error:
            return Reject(error.detail)
        _begin_log(delivery, subscriber, event)
        answer = self.caller.call(subscriber.url, event)
        verdict = self.patience.judge(answer, delivery.attempt, now=datetime.now(UTC))
        if isinstance(verdict, Accept) and verdict.reply is not None:
            return self._publish(delivery, subscriber, verdict, verdict.reply)
        return verdict

    def _publish(self, delivery: Delivery, subscriber: Subscriber, verdict: Accept, reply: CloudEvent) -> Verdict:
        try:
            self.publisher.publish(reply)
        except BrokerUnavailable as error:
            self.metrics.replied(delivery.queue, subscriber.name, FAILED)
            detail = f"The reply could not be published: {error.detail}"
            return self.patience.again(delivery.attempt, detail, status=verdict.status)
        self.metrics.replied(delivery.queue, subscriber.name, PUBLISHED)
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
                self.consumer.accept(delivery)
                log.info("delivered", status=status, reply=reply and reply.get_type())
            case Retry(delay, detail, status):
                self.consumer.retry(delivery, delay=delay)
                log.warning("delivery waits", status=status, detail=detail, delay=delay)
            case Reject():
                reason = _reason(delivery, subscriber, verdict)
                self.consumer.reject(delivery, reason)
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
