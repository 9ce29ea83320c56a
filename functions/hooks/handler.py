"""The webhooks of a user: list, add, change and remove them; their secrets and deliveries."""

from __future__ import annotations

from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.services import Services
from soundlift.common.web.application import Function
from soundlift.common.web.cross_origin import allow_cross_origin
from soundlift.common.webhooks.model import Endpoint

from .arguments import flag, identify, no_such_webhook, own_endpoint, read_fields, url_field
from .deliveries import list_deliveries, replay_delivery, send_test
from .documents import document_with_secret, endpoint_document


def list_webhooks(request: Request, services: Services) -> ResponseReturnValue:
    """Return the webhooks of the user, the oldest first."""
    found = services.webhooks.list(identify(request, services))
    return jsonify(webhooks=[endpoint_document(endpoint, services.settings) for endpoint in found])


def add_webhook(request: Request, services: Services) -> ResponseReturnValue:
    """Add a webhook, and return it with its secret; raises WebhookExists or TooManyWebhooks."""
    username = identify(request, services)
    fields = read_fields(request, ("url", "all_jobs"))
    url, all_jobs = url_field(fields, services), flag(fields, "all_jobs", True)
    endpoint = services.webhooks.add(username, url, all_jobs=all_jobs, highest=services.settings.max_webhooks)
    response = _with_secret(endpoint, services)
    return response, 201, {"Location": f"{services.settings.public_url}/hooks/{endpoint.id}"}


def show_webhook(request: Request, services: Services, webhook_id: str) -> ResponseReturnValue:
    """Return a webhook."""
    return jsonify(endpoint_document(own_endpoint(webhook_id, request, services), services.settings))


def change_webhook(request: Request, services: Services, webhook_id: str) -> ResponseReturnValue:
    """Change the URL of a webhook, whether it gets all jobs, or whether it is enabled; return it."""
    endpoint = own_endpoint(webhook_id, request, services)
    fields = read_fields(request, ("url", "all_jobs", "enabled"))
    changed = services.webhooks.change(
        endpoint,
        url=url_field(fields, services, endpoint.url),
        all_jobs=flag(fields, "all_jobs", endpoint.all_jobs),
        disabled=not flag(fields, "enabled", not endpoint.disabled),
    )
    return jsonify(endpoint_document(_existing(changed), services.settings))


def remove_webhook(request: Request, services: Services, webhook_id: str) -> ResponseReturnValue:
    """Remove a webhook, and what has not been delivered to it."""
    if not services.webhooks.remove(own_endpoint(webhook_id, request, services)):
        raise no_such_webhook()
    return Response(status=204)


def rotate_secret(request: Request, services: Services, webhook_id: str) -> ResponseReturnValue:
    """Give a webhook a new secret, and return it; the previous one also signs for another day."""
    changed = services.webhooks.rotate(own_endpoint(webhook_id, request, services))
    return _with_secret(_existing(changed), services)


def _existing(endpoint: Endpoint | None) -> Endpoint:
    if endpoint is None:
        raise no_such_webhook()
    return endpoint


def _with_secret(endpoint: Endpoint, services: Services) -> Response:
    response = jsonify(document_with_secret(endpoint, services.settings))
    response.headers["Cache-Control"] = "no-store"
    return response


app = Function("hooks", needs=["tokens", "database"])
app.handle("/", list_webhooks, methods=["GET"])
app.handle("/", add_webhook, methods=["POST"])
app.handle("/<webhook_id>", show_webhook, methods=["GET"])
app.handle("/<webhook_id>", change_webhook, methods=["PATCH"])
app.handle("/<webhook_id>", remove_webhook, methods=["DELETE"])
app.handle("/<webhook_id>/secret", rotate_secret, methods=["POST"])
app.handle("/<webhook_id>/test", send_test, methods=["POST"])
app.handle("/<webhook_id>/deliveries", list_deliveries, methods=["GET"])
app.handle("/<webhook_id>/deliveries/<delivery_id>/replay", replay_delivery, methods=["POST"])
allow_cross_origin(app)
