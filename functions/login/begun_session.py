"""The response to a sign-in: an access token, and a session if the client asked for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Request, Response, jsonify

from soundlift.common.auth.refresh_tokens import RefreshToken
from soundlift.common.auth.users import User
from soundlift.common.errors import BadRequest, InvalidJsonCredentials
from soundlift.common.services import Services

from .session_cookie import set_cookie

COOKIE, TOKEN = "cookie", "token"


def wanted_session(body: Mapping[str, Any] | None) -> str | None:
    """Return how a client wants its refresh token, COOKIE or TOKEN, or None for no session; raises BadRequest."""
    wanted = (body or {}).get("refresh")
    if wanted is None or wanted in (COOKIE, TOKEN):
        return wanted
    raise BadRequest('refresh must be "cookie" or "token".')


def sign_in_response(user: User, wanted: str | None, request: Request, services: Services) -> Response:
    """Return the response to a user who has signed in; raises InvalidJsonCredentials if the account just changed."""
    session = _begin(user, services) if wanted else None
    if wanted != TOKEN and _prefers_text(request):
        response = Response(services.tokens.sign_in(user.email, admin=user.admin), mimetype="text/plain")
    else:
        response = access_response(user, services, session if wanted == TOKEN else None)
    if session and wanted == COOKIE:
        set_cookie(response, session, request, services.settings)
    return response


def access_response(user: User, services: Services, session: RefreshToken | None) -> Response:
    """Return a new access token, and the refresh token of a program."""
    tokens = services.tokens
    access = {
        "access_token": tokens.sign_in(user.email, admin=user.admin),
        "token_type": "Bearer",
        "expires_in": tokens.sign_in_seconds,
    }
    if session is not None:
        access |= {"refresh_token": session.text, "refresh_expires_in": services.settings.refresh_seconds}
    return jsonify(access)


def _begin(user: User, services: Services) -> RefreshToken:
    session = services.sessions.begin(user)
    if session is None:
        raise InvalidJsonCredentials("The account has just changed. Sign in again.")
    return session


def _prefers_text(request: Request) -> bool:
    return request.accept_mimetypes.best_match(["application/json", "text/plain"]) == "text/plain"
