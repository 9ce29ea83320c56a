"""The email address and password of a sign-in, by HTTP Basic or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Request

from soundlift.common.errors import BadRequest


@dataclass(frozen=True)
class Credentials:
    """The email address and the password that a client sent, and whether it sent them by HTTP Basic."""

    email: str
    password: str = field(repr=False)
    by_basic: bool


def read_credentials(request: Request, body: Mapping[str, Any] | None) -> Credentials | None:
    """Return the credentials of a request, or None if they are missing; raises BadRequest.

    `body` is the JSON object of the request, empty without a body, and None if the body is not a JSON object.
    """
    sent = request.authorization
    if sent is not None and sent.type == "basic" and sent.username and sent.password:
        return Credentials(sent.username, sent.password, by_basic=True)
    if body is None:
        raise BadRequest('The body must be a JSON object such as {"email": "…", "password": "…"}.')
    email, password = body.get("email") or body.get("username"), body.get("password")
    if not email or not password:
        return None
    if not isinstance(email, str) or not isinstance(password, str):
        raise BadRequest("The email address and the password must be strings.")
    return Credentials(email, password, by_basic=False)
