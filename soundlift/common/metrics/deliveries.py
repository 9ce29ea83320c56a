"""The store of the deliveries of webhooks, measured."""

from __future__ import annotations

from soundlift.common.db.engine import Database
from soundlift.common.metrics.metrics import Metrics
from soundlift.common.metrics.notifications import DELIVERED, GIVEN_UP, RETRIED
from soundlift.common.notifications.model import Channel
from soundlift.common.webhooks.deliveries import Deliveries
from soundlift.common.webhooks.model import DeliveryClaim, EndpointState, Failure


class MeasuredDeliveries(Deliveries):
    """Deliveries whose outcomes are counted among those of notifications, each from 0 on."""

    def __init__(self, database: Database, *, concurrency: int, metrics: Metrics) -> None:
        super().__init__(database, concurrency=concurrency)
        self._outcomes = metrics.notifications
        for outcome in (DELIVERED, RETRIED, GIVEN_UP):
            self._outcomes.labels(Channel.WEBHOOK, outcome)

    def mark_delivered(self, claim: DeliveryClaim, *, status: int) -> bool:
        """Count a message that its endpoint accepted."""
        return self._count(DELIVERED, super().mark_delivered(claim, status=status))

    def postpone_attempt(self, claim: DeliveryClaim, failure: Failure) -> bool:
        """Count an attempt that another one has to repeat."""
        return self._count(RETRIED, super().postpone_attempt(claim, failure))

    def give_up(self, claim: DeliveryClaim, failure: Failure, *, endpoint_state: EndpointState | None = None) -> bool:
        """Count a message that will not be delivered."""
        return self._count(GIVEN_UP, super().give_up(claim, failure, endpoint_state=endpoint_state))

    def _count(self, outcome: str, taken: bool) -> bool:
        if taken:
            self._outcomes.labels(Channel.WEBHOOK, outcome).inc()
        return taken
