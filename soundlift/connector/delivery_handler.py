"""Handles one delivery: calls its function, publishes the function's reply, and settles the message."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import Consumer, Delivery, Publisher
from soundlift.common.errors import BadEvent, BrokerUnavailable
from soundlift.common.events import traceparent_from
from soundlift.common.logging import begin_trace, bind_job
from soundlift.common.process.shutdown import Shutdown
from soundlift.common.tracing.events import delivery_span
from soundlift.connector.event_reader import EventReader
from soundlift.connector.function_client import FunctionClient, FunctionResponse
from soundlift.connector.metrics import DEAD_LETTERED, DELIVERED, FAILED, PUBLISHED, RETRIED, Metrics
from soundlift.connector.retry_policy import BUSY_PAUSE_SECONDS, Accept, Decision, Reject, Retry, RetryPolicy
from soundlift.connector.subscriptions import Subscriber

PAUSE_SECONDS = 1.0
BUSY_SECONDS = 60.0
OUTCOMES = {Accept: DELIVERED, Retry: RETRIED, Reject: DEAD_LETTERED}

log = structlog.get_logger()


@dataclass(frozen=True)
class DeliveryHandler:
    """A handler of deliveries, with everything that it needs; thread-safe."""

    consumer: Consumer
    publisher: Publisher
    reader: EventReader
    client: FunctionClient
    retry_policy: RetryPolicy
    metrics: Metrics
    shutdown: Shutdown
    messaging_system: str = ""

    def handle(self, delivery: Delivery, subscriber: Subscriber) -> None:
        """Call the function, publish its reply, and settle the message, whatever happens."""
        _begin_log(delivery, subscriber, None)
        with self.metrics.delivery(delivery.queue, subscriber.name):
            decision = self._decide(delivery, subscriber)
            self._settle(delivery, subscriber, decision)
        self.metrics.count_settled(delivery.queue, subscriber.name, OUTCOMES[type(decision)])

    def _decide(self, delivery: Delivery, subscriber: Subscriber) -> Decision:
        try:
            return self._deliver(delivery, subscriber)
        except Exception as error:
            log.exception("unexpected error")
            return self.retry_policy.retry_or_reject(delivery.attempt, f"Unexpected error: {error}")

    def _deliver(self, delivery: Delivery, subscriber: Subscriber) -> Decision:
        try:
            event = self.reader.read(delivery)
        except BadEvent as error:
            return Reject(error.detail)
        _begin_log(delivery, subscriber, event)
        with delivery_span(delivery, event, self.messaging_system) as span:
            decision = self._call(delivery, subscriber, event)
            span.set("soundlift.outcome", OUTCOMES[type(decision)])
            if not isinstance(decision, Accept):
                span.end(str(decision.status or "no_response"))
            return decision

    def _call(self, delivery: Delivery, subscriber: Subscriber, event: CloudEvent) -> Decision:
        response = self._call_when_free(subscriber.url, event)
        if self.shutdown.is_overdue(0) and self._is_at_its_limit(response):
            return Retry(0, "The connector stops while the function is busy.", response.status)
        decision = self.retry_policy.decide(response, delivery.attempt, now=datetime.now(UTC))
        if isinstance(decision, Accept) and decision.reply is not None:
            return self._publish(delivery, subscriber, decision, decision.reply)
        return decision

    def _call_when_free(self, url: str, event: CloudEvent) -> FunctionResponse:
        """Call the function; while it is at its concurrency limit, keep the slot and call it again, up to BUSY_SECONDS.

        Several connectors together may have more slots than the function. If their messages were retried later instead,
        each would wait for its delay, up to minutes, while the function has long been idle again.
        """
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            response = self.client.call(url, event)
            is_over = time.monotonic() + BUSY_PAUSE_SECONDS > deadline or self.shutdown.is_overdue(0)
            if is_over or not self._is_at_its_limit(response):
                return response
            time.sleep(BUSY_PAUSE_SECONDS)

    def _is_at_its_limit(self, response: FunctionResponse) -> bool:
        return self.retry_policy.is_at_its_limit(response, now=datetime.now(UTC))

    def _publish(self, delivery: Delivery, subscriber: Subscriber, decision: Accept, reply: CloudEvent) -> Decision:
        try:
            self.publisher.publish(reply)
        except BrokerUnavailable as error:
            self.metrics.count_reply(delivery.queue, subscriber.name, FAILED)
            detail = f"The reply could not be published: {error.detail}"
            return self.retry_policy.retry_or_reject(delivery.attempt, detail, status=decision.status)
        self.metrics.count_reply(delivery.queue, subscriber.name, PUBLISHED)
        return decision

    def _settle(self, delivery: Delivery, subscriber: Subscriber, decision: Decision) -> None:
        """Settle the message, retrying until the broker answers: an unsettled claim would hide the message forever."""
        while True:
            try:
                return self._settle_once(delivery, subscriber, decision)
            except BrokerUnavailable as error:
                log.warning("waiting for the broker to settle a message", detail=error.detail, **error.evidence)
                time.sleep(PAUSE_SECONDS)

    def _settle_once(self, delivery: Delivery, subscriber: Subscriber, decision: Decision) -> None:
        match decision:
            case Accept(status, reply):
                self.consumer.accept(delivery)
                # convert replies with the event of the job whose turn it was, which may not be the one that was named.
                log.info("delivered", status=status, reply=reply and reply.get_type(), reply_job_id=_job_id(reply))
            case Retry(delay, detail, status):
                self.consumer.retry(delivery, delay=delay)
                log.warning("delivery will be retried", status=status, detail=detail, delay=delay)
            case Reject():
                reason = _reason(delivery, subscriber, decision)
                self.consumer.reject(delivery, reason)
                log.error("dead letter", **reason)


def _begin_log(delivery: Delivery, subscriber: Subscriber, event: CloudEvent | None) -> None:
    begin_trace(traceparent_from(event) if event else None)
    structlog.contextvars.bind_contextvars(function=subscriber.name, queue=delivery.queue, attempt=delivery.attempt)
    if job_id := _job_id(event):
        bind_job(job_id)


def _job_id(event: CloudEvent | None) -> str | None:
    if event is None:
        return None
    data = event.get_data()
    job_id = event.get_subject() or (data.get("job_id") if isinstance(data, dict) else None)
    return job_id if isinstance(job_id, str) else None


def _reason(delivery: Delivery, subscriber: Subscriber, decision: Reject) -> dict[str, Any]:
    return {
        "function": subscriber.name,
        "status": decision.status,
        "detail": decision.detail,
        "attempts": delivery.attempt,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
