"""Counts and times deliveries, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

LABELS = ("queue", "function")
DELIVERED, RETRIED, DEAD_LETTERED = "delivered", "retried", "dead_lettered"
PUBLISHED, FAILED = "published", "failed"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """The metrics of one connector since its start; thread-safe.

    Every series of a queue and function exists from the first delivery on, so that a rate includes the first failure.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # a second series for each one, which nothing here reads
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._deliveries = Counter(
            "soundlift_deliveries", "Deliveries by outcome.", (*LABELS, "outcome"), registry=self.registry
        )
        self._replies = Counter(
            "soundlift_replies", "Events that functions returned, by outcome.", (*LABELS, "outcome"),
            registry=self.registry,
        )  # fmt: skip
        self._in_flight = Gauge(
            "soundlift_deliveries_in_flight", "Deliveries that are not settled yet.", LABELS, registry=self.registry
        )
        self._seconds = Histogram(
            "soundlift_delivery_duration_seconds", "Time from receiving a message to settling it.", LABELS,
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip

    @contextmanager
    def delivery(self, queue: str, function: str) -> Iterator[None]:
        """Count a delivery as in flight, and time it, until the end of the block."""
        for outcome in (DELIVERED, RETRIED, DEAD_LETTERED):
            self._deliveries.labels(queue, function, outcome)
        for outcome in (PUBLISHED, FAILED):
            self._replies.labels(queue, function, outcome)
        with self._in_flight.labels(queue, function).track_inprogress(), self._seconds.labels(queue, function).time():
            yield

    def count_settled(self, queue: str, function: str, outcome: str) -> None:
        """Count a settled message: DELIVERED, RETRIED or DEAD_LETTERED."""
        self._deliveries.labels(queue, function, outcome).inc()

    def count_reply(self, queue: str, function: str, outcome: str) -> None:
        """Count a reply: PUBLISHED or FAILED."""
        self._replies.labels(queue, function, outcome).inc()
