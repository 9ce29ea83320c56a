"""Webhooks and their deliveries in each state."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from soundlift.common.db.tables import webhook_deliveries, webhooks
from soundlift.common.services import Services
from soundlift.common.webhooks.model import Delivery, DeliveryClaim, Endpoint
from tests.factories.jobs import DELIVERY_TIMES

ENDPOINT_TIMES = ("created_at", "changed_at", "previous_until", "alert_due_at", "alert_claimed_until")


def endpoint(
    services: Services,
    url: str = "https://hooks.example.org/",
    email: str = "ada@example.org",
    *,
    all_jobs: bool = True,
) -> Endpoint:
    return services.webhooks.add(email, url, all_jobs=all_jobs, highest=10)


def endpoint_now(services: Services, added: Endpoint) -> Endpoint:
    found = services.webhooks.find(added.id)
    assert found is not None
    return found


def deliveries(services: Services, to: Endpoint) -> Sequence[Delivery]:
    """Return the deliveries of an endpoint, the newest first."""
    return services.delivery_list.page(to.id, after=None, limit=100)


def only_delivery(services: Services, to: Endpoint) -> Delivery:
    (delivery,) = deliveries(services, to)
    return delivery


def claimed_delivery(services: Services, delivery: Delivery) -> DeliveryClaim:
    claim = services.deliveries.claim_one(delivery.id)
    assert claim is not None
    return claim


def age_webhooks(services: Services, seconds: float, *columns: str) -> None:
    """Move all times of all webhooks and deliveries, or those in the named columns, into the past."""
    with services.database.write() as connection:
        for table, names in ((webhook_deliveries, DELIVERY_TIMES), (webhooks, ENDPOINT_TIMES)):
            if times := {name: table.c[name] - seconds for name in names if name in (columns or names)}:
                connection.execute(sa.update(table).values(**times))
