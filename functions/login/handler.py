"""Signs a user in: returns a token for an e-mail address and a password."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.passwords import password_matches
from soundlift.common.errors import BadRequest, InvalidCredentials, MissingCredentials
from soundlift.common.services import Services
from soundlift.common.web.application import http_function


@dataclass(frozen=True)
class Credentials:
    """The e-mail address and the password that a client sent."""

    email: str
    password: str


def login(request: Request, services: Services) -> ResponseReturnValue:
    """Return a token for a correct password; an unknown account takes as long as a wrong password."""
    credentials = _from_basic(request) or _from_json(request)
    if credentials is None:
        raise MissingCredentials("Send an e-mail address and a password, by HTTP Basic or as JSON.")
    user = services.users.find(credentials.email)
    if not password_matches(credentials.password, user.password if user else None) or user is None:
        raise InvalidCredentials("The e-mail address or the password is wrong.")
    token = services.tokens.sign_in(user.email, admin=user.admin)
    if request.accept_mimetypes.best_match(["application/json", "text/plain"]) == "text/plain":
        return _private(Response(token, mimetype="text/plain"))
    lifetime = services.tokens.sign_in_seconds
    return _private(jsonify({"access_token": token, "token_type": "Bearer", "expires_in": lifetime}))


def _from_basic(request: Request) -> Credentials | None:
    sent = request.authorization
    if sent is None or sent.type != "basic" or not sent.username or not sent.password:
        return None
    return Credentials(sent.username, sent.password)


def _from_json(request: Request) -> Credentials | None:
    if not request.get_data():
        return None
    sent = request.get_json(force=True, silent=True)
    if not isinstance(sent, dict):
        raise BadRequest('The body must be a JSON object such as {"email": "…", "password": "…"}.')
    email, password = sent.get("email") or sent.get("username"), sent.get("password")
    if not email or not password:
        return None
    if not isinstance(email, str) or not isinstance(password, str):
        raise BadRequest("The e-mail address and the password must be strings.")
    return Credentials(email, password)


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"  # RFC 6749, section 5.1
    return response


app = http_function(login, methods=["POST"], needs=["users", "database", "tokens"])
