"""The store of notifications, measured."""

from __future__ import annotations

from soundlift.common.db.engine import Database
from soundlift.common.metrics.metrics import Metrics
from soundlift.common.notifications.model import Channel, NotificationClaim
from soundlift.common.notifications.store import Notifications

DELIVERED, RETRIED, GIVEN_UP = "delivered", "retried", "given_up"


class MeasuredNotifications(Notifications):
    """Mails whose outcomes are counted by channel, each from 0 on."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        super().__init__(database)
        self._outcomes = metrics.notifications
        for outcome in (DELIVERED, RETRIED, GIVEN_UP):
            self._outcomes.labels(Channel.MAIL, outcome)

    def mark_delivered(self, claim: NotificationClaim) -> bool:
        """Count a notification that was delivered."""
        return self._count(claim, DELIVERED, super().mark_delivered(claim))

    def give_up(self, claim: NotificationClaim, *, reason: str) -> bool:
        """Count a notification that can never be delivered."""
        return self._count(claim, GIVEN_UP, super().give_up(claim, reason=reason))

    def release(self, claim: NotificationClaim, *, cause: str) -> bool:
        """Count an attempt that another one has to repeat."""
        return self._count(claim, RETRIED, super().release(claim, cause=cause))

    def _count(self, claim: NotificationClaim, outcome: str, taken: bool) -> bool:
        if taken:
            self._outcomes.labels(claim.channel, outcome).inc()
        return taken
