"""The JSON documents of webhooks and of their deliveries."""

from __future__ import annotations

from typing import Any

from soundlift.common.jobs.document import iso_time
from soundlift.common.settings import Settings
from soundlift.common.webhooks.model import Delivery, Endpoint


def endpoint_document(endpoint: Endpoint, settings: Settings) -> dict[str, Any]:
    """Return a webhook without its secrets."""
    link = f"{settings.public_url}/hooks/{endpoint.id}"
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "all_jobs": endpoint.all_jobs,
        "state": endpoint.state,
        "detail": endpoint.detail,
        "created_at": iso_time(endpoint.created_at),
        "previous_secret_until": iso_time(endpoint.previous_until),
        "links": {"self": link, "deliveries": f"{link}/deliveries"},
    }


def document_with_secret(endpoint: Endpoint, settings: Settings) -> dict[str, Any]:
    """Return a webhook with the secret that it has just got, which is never shown again."""
    return {**endpoint_document(endpoint, settings), "secret": endpoint.secret}


def delivery_document(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery; its id is the `webhook-id` of its requests."""
    return {
        "id": delivery.id,
        "type": delivery.type,
        "job_id": delivery.job,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "created_at": iso_time(delivery.created_at),
        "delivered_at": iso_time(delivery.delivered_at),
        "next_attempt_at": iso_time(delivery.due_at),
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
    }
