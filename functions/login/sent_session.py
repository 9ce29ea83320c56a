"""The session that a request names: by a refresh token in its JSON, as programs do, or by the cookie of a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Request

from soundlift.common.auth.refresh_tokens import RefreshToken
from soundlift.common.errors import BadRequest
from soundlift.common.settings import Settings

from .same_origin import require_same_origin
from .session_cookie import read_cookie


@dataclass(frozen=True)
class SentSession:
    """The refresh token of a request, None if it has none or a malformed one, and whether it is that of the cookie."""

    token: RefreshToken | None
    by_cookie: bool


def read_session(request: Request, settings: Settings) -> SentSession:
    """Return the session of a request; raises BadRequest, or CrossSiteRequest if the cookie may not be used.

    A refresh token in the body takes precedence: the cookie is then neither read nor set.
    """
    body = read_json_object(request)
    if body is not None and (text := body.get("refresh_token")) is not None:
        if not isinstance(text, str):
            raise BadRequest("refresh_token must be a string.")
        return SentSession(RefreshToken.parse(text), by_cookie=False)
    require_same_origin(request, settings)
    if body is None:
        raise BadRequest('The body must be a JSON object: {"refresh_token": "…"}, or {} to use the cookie.')
    return SentSession(RefreshToken.parse(read_cookie(request)), by_cookie=True)


def read_json_object(request: Request) -> Mapping[str, Any] | None:
    """Return the JSON object in a body of any Content-Type, an empty one without a body, or None for anything else."""
    if not request.get_data():
        return {}
    sent = request.get_json(force=True, silent=True)
    return sent if isinstance(sent, dict) else None
