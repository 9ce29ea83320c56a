"""Receives messages for whom there is a subscriber and a free place, and sees them through to the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import structlog

from soundlift.common.broker import Consumer, Delivery
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.process.shutdown import Shutdown
from soundlift.connector.courier import Courier
from soundlift.connector.subscriptions import Subscriber, Subscriptions

RECEIVE_SECONDS = 0.05
OTHERS_SECONDS = 0.01  # how often other queues are looked at while one has no free place
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
        self._freed = Event()
        self._turned_at = time.monotonic()

    @property
    def seconds_since_turn(self) -> float:
        """Return how long the loop has been in its present turn."""
        return time.monotonic() - self._turned_at

    def run(self, shutdown: Shutdown) -> int:
        """Deliver until told to stop, then finish what is in flight; return how many had to be handed back."""
        while not shutdown.is_overdue(0):
            self._turn(self._subscriptions.subscribers)
        self._forget_done()
        self._consumer.unsubscribe()
        log.info("stopping", in_flight=len(self._in_flight))
        while self._in_flight and not shutdown.is_overdue(self._drain_seconds):
            self._turn({})
        self._pool.shutdown(wait=False)
        return self._hand_back()

    def _turn(self, subscribers: Mapping[str, Subscriber]) -> None:
        """Receive from the queues that have a free place, and begin; where there is none, wait for one.

        To receive from no queue at all keeps the claims on messages in work alive.
        """
        self._turned_at = time.monotonic()
        self._freed.clear()
        self._forget_done()
        taken = Counter(delivery.queue for delivery in self._in_flight.values())
        open_queues = [queue for queue in subscribers if taken[queue] < self._concurrency]
        waits_for_place = bool(self._in_flight) and len(open_queues) < max(1, len(subscribers))
        delivery = self._receive(open_queues, 0 if waits_for_place else RECEIVE_SECONDS)
        if delivery is not None:
            self._begin(delivery, subscribers[delivery.queue])
        elif waits_for_place:
            self._freed.wait(OTHERS_SECONDS if open_queues else RECEIVE_SECONDS)

    def _receive(self, queues: Collection[str], timeout: float) -> Delivery | None:
        try:
            return self._consumer.receive(queues, timeout)
        except BrokerUnavailable as error:
            log.warning(error.code, detail=error.detail, **error.evidence)
            time.sleep(PAUSE_SECONDS)
            return None

    def _begin(self, delivery: Delivery, subscriber: Subscriber) -> None:
        future = self._pool.submit(self._courier.carry, delivery, subscriber)
        self._in_flight[future] = delivery
        future.add_done_callback(lambda _: self._freed.set())

    def _forget_done(self) -> None:
        self._in_flight = {future: delivery for future, delivery in self._in_flight.items() if not future.done()}

    def _hand_back(self) -> int:
        for delivery in self._in_flight.values():
            try:
                self._consumer.retry(delivery, delay=0)
            except BrokerUnavailable as error:
                log.warning("message left to the broker", detail=error.detail, **error.evidence)
        return len(self._in_flight)
