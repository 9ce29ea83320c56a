"""Receives messages that have a subscriber while there is a free slot, and passes them to the delivery handler."""

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
from soundlift.connector.delivery_handler import DeliveryHandler
from soundlift.connector.event_reader import job_fields
from soundlift.connector.subscriptions import Subscriber, Subscriptions

RECEIVE_SECONDS = 0.05
OTHER_QUEUES_SECONDS = 0.01  # how often other queues are polled while one has no free slot
PAUSE_SECONDS = 1.0

log = structlog.get_logger()


class DeliveryLoop:
    """The thread that receives, and a pool that handles up to `concurrency` deliveries of each queue concurrently."""

    def __init__(
        self,
        consumer: Consumer,
        subscriptions: Subscriptions,
        handler: DeliveryHandler,
        *,
        concurrency: int,
        drain_seconds: float,
    ) -> None:
        self._consumer = consumer
        self._subscriptions = subscriptions
        self._handler = handler
        self._concurrency = concurrency
        self._drain_seconds = drain_seconds
        self._pool = ThreadPoolExecutor(concurrency * subscriptions.max_queues, thread_name_prefix="delivery")
        self._in_flight: dict[Future[None], Delivery] = {}
        self._slot_freed = Event()
        self._iteration_began = time.monotonic()

    @property
    def seconds_in_iteration(self) -> float:
        """Return how long the current iteration has taken so far."""
        return time.monotonic() - self._iteration_began

    def run(self, shutdown: Shutdown) -> int:
        """Deliver until shutdown begins, then finish what is in flight; return how many messages were returned."""
        while not shutdown.is_overdue(0):
            self._iterate(self._subscriptions.subscribers)
        self._remove_done()
        self._consumer.unsubscribe()
        log.info("stopping", in_flight=len(self._in_flight))
        while self._in_flight and not shutdown.is_overdue(self._drain_seconds):
            self._iterate({})
        self._pool.shutdown(wait=False)
        return self._return_in_flight()

    def _iterate(self, subscribers: Mapping[str, Subscriber]) -> None:
        """Receive from the queues that have a free slot and start a delivery; if none has, wait for a slot.

        Receiving from no queue at all keeps the claims on unsettled messages alive.
        """
        self._iteration_began = time.monotonic()
        self._slot_freed.clear()
        self._remove_done()
        in_flight = Counter(delivery.queue for delivery in self._in_flight.values())
        open_queues = [queue for queue in subscribers if in_flight[queue] < self._concurrency]
        waits_for_slot = bool(self._in_flight) and len(open_queues) < max(1, len(subscribers))
        delivery = self._receive(open_queues, 0 if waits_for_slot else RECEIVE_SECONDS)
        if delivery is not None:
            self._begin(delivery, subscribers[delivery.queue])
        elif waits_for_slot:
            self._slot_freed.wait(OTHER_QUEUES_SECONDS if open_queues else RECEIVE_SECONDS)

    def _receive(self, queues: Collection[str], timeout: float) -> Delivery | None:
        try:
            return self._consumer.receive(queues, timeout)
        except BrokerUnavailable as error:
            log.warning(error.code, detail=error.detail, **error.evidence)
            time.sleep(PAUSE_SECONDS)
            return None

    def _begin(self, delivery: Delivery, subscriber: Subscriber) -> None:
        future = self._pool.submit(self._handler.handle, delivery, subscriber)
        self._in_flight[future] = delivery
        future.add_done_callback(lambda _: self._slot_freed.set())

    def _remove_done(self) -> None:
        self._in_flight = {future: delivery for future, delivery in self._in_flight.items() if not future.done()}

    def _return_in_flight(self) -> int:
        for delivery in self._in_flight.values():
            try:
                self._consumer.retry(delivery, delay=0)
            except BrokerUnavailable as error:
                about = {"queue": delivery.queue, **job_fields(delivery)}
                log.warning(
                    "message could not be returned to its queue", detail=error.detail, **about, **error.evidence
                )
        return len(self._in_flight)
