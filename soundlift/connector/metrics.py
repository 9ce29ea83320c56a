"""Counts and times deliveries, in the way that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

LABELS = ("topic", "function")
DELIVERED, RETRIED, DEAD_LETTERED = "delivered", "retried", "dead_lettered"
PUBLISHED, FAILED = "published", "failed"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """Holds what one connector has measured since its start; safe to share between threads.

    Every series of a topic and function is there from its first delivery on, so that a rate sees the first failure.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._deliveries = Counter(
            "soundlift_deliveries", "Deliveries by their verdict.", (*LABELS, "verdict"), registry=self.registry
        )
        self._replies = Counter(
            "soundlift_replies", "Events that functions replied, by outcome.", (*LABELS, "outcome"),
            registry=self.registry,
        )  # fmt: skip
        self._in_flight = Gauge(
            "soundlift_deliveries_in_flight", "Deliveries without a verdict yet.", LABELS, registry=self.registry
        )
        self._seconds = Histogram(
            "soundlift_delivery_duration_seconds", "Time of a delivery, from the message to its verdict.", LABELS,
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip

    @contextmanager
    def delivery(self, topic: str, function: str) -> Iterator[None]:
        """Count a delivery as in flight, and time it, until the end of the block."""
        for verdict in (DELIVERED, RETRIED, DEAD_LETTERED):
            self._deliveries.labels(topic, function, verdict)
        for outcome in (PUBLISHED, FAILED):
            self._replies.labels(topic, function, outcome)
        with self._in_flight.labels(topic, function).track_inprogress(), self._seconds.labels(topic, function).time():
            yield

    def settled(self, topic: str, function: str, verdict: str) -> None:
        """Count a verdict: DELIVERED, RETRIED or DEAD_LETTERED."""
        self._deliveries.labels(topic, function, verdict).inc()

    def replied(self, topic: str, function: str, outcome: str) -> None:
        """Count a reply: PUBLISHED or FAILED."""
        self._replies.labels(topic, function, outcome).inc()
