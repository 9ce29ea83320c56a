"""The deliveries of a webhook: list them, send one again, and send a test."""

from __future__ import annotations

import structlog
from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.errors import NotFound, SoundliftError
from soundlift.common.events import delivery_event
from soundlift.common.services import Services
from soundlift.common.web.query import whole_number
from soundlift.common.webhooks.errors import DeliveryPending, WebhookDisabled
from soundlift.common.webhooks.model import Delivery, DueDelivery, Endpoint

from .arguments import own_endpoint
from .documents import delivery_document

MAX_PAGE_SIZE = 100
PAGE_SIZE = 20

log = structlog.get_logger()


def list_deliveries(request: Request, services: Services, webhook_id: str) -> ResponseReturnValue:
    """Return a page of the deliveries of a webhook, the newest first, and the link to the next page."""
    endpoint = own_endpoint(webhook_id, request, services)
    limit = max(1, whole_number(request, "limit", default=PAGE_SIZE, highest=MAX_PAGE_SIZE))
    found = services.delivery_list.page(endpoint.id, after=request.args.get("after"), limit=limit)
    links = {}
    if len(found) == limit:
        base = f"{services.settings.public_url}/hooks/{endpoint.id}/deliveries"
        links["next"] = f"{base}?limit={limit}&after={found[-1].id}"
    return jsonify(deliveries=[delivery_document(delivery) for delivery in found], links=links)


def replay_delivery(request: Request, services: Services, webhook_id: str, delivery_id: str) -> ResponseReturnValue:
    """Send a delivery again, with the same id, beginning with its first attempt.

    Raises DeliveryPending or TooManyAttempts.
    """
    endpoint = own_endpoint(webhook_id, request, services)
    _require_enabled(endpoint)
    delivery = services.delivery_list.replay(endpoint, delivery_id)
    if delivery is None:
        if services.delivery_list.find(endpoint.id, delivery_id) is None:
            raise NotFound("This webhook has no delivery with this id.")
        raise DeliveryPending("This delivery is in progress already; wait until it has succeeded or was given up.")
    return _started(delivery, services)


def send_test(request: Request, services: Services, webhook_id: str) -> ResponseReturnValue:
    """Send a test to a webhook, which is one attempt.

    Raises DeliveryPending while an earlier test is in progress, and TooManyAttempts.
    """
    endpoint = own_endpoint(webhook_id, request, services)
    _require_enabled(endpoint)
    delivery = services.delivery_list.add_test(endpoint)
    if delivery is None:
        raise DeliveryPending("A test of this webhook is in progress already; wait until it has ended.")
    return _started(delivery, services)


def _require_enabled(endpoint: Endpoint) -> None:
    if endpoint.disabled:
        raise WebhookDisabled("This webhook is disabled; enable it first.")


def _started(delivery: Delivery, services: Services) -> ResponseReturnValue:
    """Publish the event of a delivery that is due, and return the delivery; without a broker, cleanup publishes it."""
    due = DueDelivery(delivery.id, delivery.job, delivery.attempts, delivery.due_at or 0.0, None)
    try:
        services.publisher.publish(delivery_event(due))
    except SoundliftError as error:
        log.warning("event left to cleanup", code=error.code, **error.evidence)
    response: Response = jsonify(delivery_document(delivery))
    return response, 202
