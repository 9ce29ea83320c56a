"""Signs users in and out: access tokens for passwords, and sessions that last longer.

It also lists the users for admins, and serves API keys, sign-up and password reset.
"""

from __future__ import annotations

from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.refresh_tokens import RefreshToken
from soundlift.common.auth.users import User
from soundlift.common.errors import BadRequest, InvalidJsonCredentials, InvalidSession
from soundlift.common.services import Services
from soundlift.common.web.application import Function
from soundlift.common.web.cross_origin import allow_cross_origin

from .accounts import list_users
from .authentication import authenticate
from .keys import list_keys, make_key, revoke_key
from .password_links import choose_password, offers, read_link, reset, sign_up
from .same_origin import require_same_origin
from .sent_session import read_json_object, read_session
from .session_cookie import clear_cookie, set_cookie

COOKIE, TOKEN = "cookie", "token"


def login(request: Request, services: Services) -> ResponseReturnValue:
    """Return a token for a correct password."""
    body = read_json_object(request)
    wanted = (body or {}).get("refresh")
    if wanted not in (None, COOKIE, TOKEN):
        raise BadRequest('refresh must be "cookie" or "token".')
    if wanted == COOKIE:  # otherwise, a page of another site could sign a browser in to the account of its author
        require_same_origin(request, services.settings)
    user = authenticate(request, body, services)
    session = _begin_session(user, services) if wanted else None
    if wanted != TOKEN and _prefers_text(request):
        response = Response(services.tokens.sign_in(user.email, admin=user.admin), mimetype="text/plain")
    else:
        response = _access(user, services, session if wanted == TOKEN else None)
    if session and wanted == COOKIE:
        set_cookie(response, session, request, services.settings)
    return response


def refresh(request: Request, services: Services) -> ResponseReturnValue:
    """Return an access token of a session, with the user's current rights, and the session's next refresh token."""
    sent = read_session(request, services.settings)
    invalid = InvalidSession("The session has ended. Sign in again.")
    if sent.token is None:
        raise invalid
    rotated = services.sessions.rotate(sent.token, services.tokens.successors(sent.token))
    if rotated is None:
        raise invalid
    username, successor = rotated
    user = services.users.find(username)
    if user is None or user.disabled:
        raise invalid
    response = _access(user, services, None if sent.by_cookie else successor)
    if sent.by_cookie:
        set_cookie(response, successor, request, services.settings)
    return response


def sign_out(request: Request, services: Services) -> ResponseReturnValue:
    """End a session, if there is one."""
    sent = read_session(request, services.settings)
    if sent.token is not None:
        services.sessions.end(sent.token)
    response = Response(status=204)
    if sent.by_cookie:
        clear_cookie(response, request, services.settings)
    return response


def _begin_session(user: User, services: Services) -> RefreshToken:
    session = services.sessions.begin(user)
    if session is None:
        raise InvalidJsonCredentials("The account has just changed. Sign in again.")
    return session


def _access(user: User, services: Services, session: RefreshToken | None) -> Response:
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


def _prefers_text(request: Request) -> bool:
    return request.accept_mimetypes.best_match(["application/json", "text/plain"]) == "text/plain"


def _forbid_storing(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"  # RFC 6749, section 5.1
    return response


app = Function("login", needs=["users", "database", "tokens", "passwords", "sign_in_limits"])
app.after_request(_forbid_storing)
app.handle("/", login, methods=["POST"])
app.handle("/refresh", refresh, methods=["POST"])
app.handle("/sign-out", sign_out, methods=["POST"])
app.handle("/users", list_users, methods=["GET"])
app.handle("/keys", list_keys, methods=["GET"])
app.handle("/keys", make_key, methods=["POST"])
app.handle("/keys/<key_id>", revoke_key, methods=["DELETE"])
app.handle("/offers", offers, methods=["GET"])
app.handle("/sign-up", sign_up, methods=["POST"])
app.handle("/reset", reset, methods=["POST"])
app.handle("/link", read_link, methods=["POST"])
app.handle("/password", choose_password, methods=["POST"])
allow_cross_origin(app, login, list_users)
