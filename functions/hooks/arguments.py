"""What a request to this function names: its user, one of the user's webhooks, and fields of its JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flask import Request

from soundlift.common.auth.scopes import Scope
from soundlift.common.errors import BadRequest, NotFound
from soundlift.common.outbound.errors import BadUrl
from soundlift.common.services import Services
from soundlift.common.webhooks.model import Endpoint
from soundlift.common.webhooks.named import canonical_url


def identify(request: Request, services: Services) -> str:
    """Return the name of the user of a request, whose API key must have the scope `hooks`; raises NotAuthorized."""
    return services.identify(request.headers.get("Authorization"), scope=Scope.HOOKS).username


def own_endpoint(webhook_id: str, request: Request, services: Services) -> Endpoint:
    """Return a webhook of the user of a request; raises NotFound for any other, even for an admin."""
    username = identify(request, services)
    endpoint = services.webhooks.find(webhook_id)
    if endpoint is None or endpoint.username != username:
        raise no_such_webhook()
    return endpoint


def no_such_webhook() -> NotFound:
    """Return the error of a webhook that does not exist, or that is another user's."""
    return NotFound("You have no webhook with this id.")


def read_fields(request: Request, known: Collection[str]) -> Mapping[str, Any]:
    """Return the JSON object of a request; raises BadRequest for anything else, and for fields that are not known."""
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise BadRequest(f"The body must be a JSON object with the fields {', '.join(known)}.")
    if unknown := body.keys() - set(known):
        raise BadRequest(f"There is no field {min(unknown)[:60]!r}; the fields are {', '.join(known)}.")
    return body


def flag(fields: Mapping[str, Any], name: str, default: bool) -> bool:
    """Return a field that is true or false; raises BadRequest."""
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise BadRequest(f"{name} must be true or false.")
    return value


def url_field(fields: Mapping[str, Any], services: Services, default: str | None = None) -> str:
    """Return the URL in the field `url`, in its canonical form; raises BadRequest."""
    text = fields.get("url", default)
    if not isinstance(text, str):
        raise BadRequest("The body must have url, a string.")
    try:
        return canonical_url(text, services.settings)
    except BadUrl as error:
        raise BadRequest(error.detail) from None
