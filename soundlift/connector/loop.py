"""Receives messages for whom there is a subscriber and a free place, and sees them through to the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from soundlift.common.broker import Consumer, Delivery
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.shutdown import Shutdown
from soundlift.connector.courier import Courier
from soundlift.connector.discovery import Subscriber, Subscriptions

RECEIVE_SECONDS = 0.05  # a place that comes free is offered this soon
PAUSE_SECONDS = 1.0

log = structlog.get_logger()


class Loop:
    """Is the one thread that receives; the couriers run in a pool, `concurrency` of them for each queue."""

    def __init__(
        self,
        consumer: Consumer,
        subscriptions: Subscriptions,
        courier: Courier,
        *,
        concurrency: int,
        drain_seconds: float,
    ) -> None:
        self._consumer = consumer
        self._subscriptions = subscriptions
        self._courier = courier
        self._concurrency = concurrency
        self._drain_seconds = drain_seconds
        self._pool = ThreadPoolExecutor(concurrency * subscriptions.most, thread_name_prefix="courier")
        self._in_flight: dict[Future[None], Delivery] = {}

    def run(self, shutdown: Shutdown) -> int:
        """Deliver until told to stop, then finish what is in flight; return how many had to be handed back."""
        while not shutdown.is_overdue(0):
            self._turn(self._open_queues())
        log.info("stopping", in_flight=len(self._in_flight))
        while self._in_flight and not shutdown.is_overdue(self._drain_seconds):
            self._turn({})
        self._pool.shutdown(wait=False)
        return self._hand_back()

    def _open_queues(self) -> dict[str, Subscriber]:
        taken = Counter(delivery.queue for delivery in self._in_flight.values())
        subscribers = self._subscriptions.subscribers
        return {queue: subscriber for queue, subscriber in subscribers.items() if taken[queue] < self._concurrency}

    def _turn(self, subscribers: Mapping[str, Subscriber]) -> None:
        """Receive from the queues given; from none, too, because that keeps the claims on messages in work alive."""
        try:
            delivery = self._consumer.receive(subscribers.keys(), RECEIVE_SECONDS)
        except BrokerUnavailable as error:
            log.warning(error.code, detail=error.detail, **error.evidence)
            time.sleep(PAUSE_SECONDS)
            delivery = None
        if delivery is not None:
            future = self._pool.submit(self._courier.carry, delivery, subscribers[delivery.queue])
            self._in_flight[future] = delivery
        self._in_flight = {future: delivery for future, delivery in self._in_flight.items() if not future.done()}

    def _hand_back(self) -> int:
        for delivery in self._in_flight.values():
            try:
                self._consumer.retry(delivery, delay=0)
            except BrokerUnavailable as error:
                log.warning("message left to the broker", detail=error.detail, **error.evidence)
        return len(self._in_flight)
