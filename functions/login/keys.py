"""The API keys of a user: list them, make one, revoke one. All of this needs a sign-in: no key can do it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.key_store import StoredKey
from soundlift.common.auth.scopes import Scope
from soundlift.common.errors import BadRequest, NotFound
from soundlift.common.jobs.document import iso_time
from soundlift.common.printable import escaped
from soundlift.common.services import Services

from .sent_session import read_json_object

MAX_NAME_LENGTH = 100
MAX_SECONDS = 10 * 365 * 24 * 3600
KEY_ID = re.compile(r"[0-9a-f]{24}")


def list_keys(request: Request, services: Services) -> ResponseReturnValue:
    """Return the keys of the user, the newest first; no key itself can be shown again."""
    return jsonify(keys=[_document(key) for key in services.api_keys.list(_username(request, services))])


def make_key(request: Request, services: Services) -> ResponseReturnValue:
    """Make a key and return it, which is the only response that contains it."""
    username = _username(request, services)
    body = read_json_object(request)
    if body is None:
        raise BadRequest("The body must be a JSON object.")
    name, scopes, seconds = _name(body), _scopes(body), _seconds(body)
    stored, key = services.api_keys.add(username, name=name, scopes=scopes, seconds=seconds)
    return jsonify({**_document(stored), "key": key.text}), 201


def revoke_key(request: Request, services: Services, key_id: str) -> ResponseReturnValue:
    """Make a key of the user stop working at once; raises NotFound."""
    username = _username(request, services)
    if not KEY_ID.fullmatch(key_id) or not services.api_keys.revoke(username, key_id):
        raise NotFound("You have no API key with this id.")
    return Response(status=204)


def _username(request: Request, services: Services) -> str:
    return services.identification.identify_signed_in(request.headers.get("Authorization")).username


def _document(key: StoredKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "start": key.start,
        "scopes": [scope for scope in Scope if scope in key.scopes],
        "state": key.state,
        "created_at": iso_time(key.created_at),
        "expires_at": iso_time(key.expires_at),
        "last_used_at": iso_time(key.last_used_at),
    }


def _name(body: Mapping[str, Any]) -> str:
    value = body.get("name")
    name = value.strip() if isinstance(value, str) else ""
    if not 1 <= len(name) <= MAX_NAME_LENGTH or escaped(name) != name:
        raise BadRequest(f"The body must have name, a string of 1 to {MAX_NAME_LENGTH} visible characters.")
    return name


def _scopes(body: Mapping[str, Any]) -> set[Scope]:
    value, known = body.get("scopes"), {str(scope) for scope in Scope}
    if not isinstance(value, list) or not 1 <= len(value) <= len(known):
        raise BadRequest(f"The body must have scopes, a list of at least one of {', '.join(Scope)}.")
    if not all(isinstance(each, str) and each in known for each in value):
        raise BadRequest(f"scopes may contain {', '.join(Scope)}.")
    return {Scope(each) for each in value}


def _seconds(body: Mapping[str, Any]) -> int | None:
    value = body.get("expires_in")
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= MAX_SECONDS:
        raise BadRequest(f"expires_in must be a whole number of seconds from 1 to {MAX_SECONDS}, or null.")
    return value
