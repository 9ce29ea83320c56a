"""Sign-up and password reset: requests for a link by email, and the choice of a password with one.

A request makes the same row, and gets the same response, whether or not the address has an account: nothing here looks
for one. The function notify decides which email the owner of the address gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.opaque_tokens import OpaqueToken
from soundlift.common.auth.password_links import PasswordLink, Purpose, invalid_link
from soundlift.common.auth.users import parse_address
from soundlift.common.errors import AddressNotAllowed, BadRequest, NotFound
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.common.web.client_address import client_network

from .provider_name import provider_name
from .same_origin import require_same_origin
from .sent_session import read_json_object


def offers(request: Request, services: Services) -> ResponseReturnValue:
    """Return which of the two this deployment offers, and the name of its sign-in provider or null, for the page."""
    settings = services.settings
    offered = {"sign_up": settings.sign_up, "password_reset": settings.password_reset}
    return jsonify(**offered, provider=provider_name(settings))


def sign_up(request: Request, services: Services) -> ResponseReturnValue:
    """Have a link for a new account sent to an address."""
    return _request_link(request, services, Purpose.SIGN_UP)


def reset(request: Request, services: Services) -> ResponseReturnValue:
    """Have a link for a new password sent to the owner of an account."""
    return _request_link(request, services, Purpose.RESET)


def read_link(request: Request, services: Services) -> ResponseReturnValue:
    """Return what a link is for, without using it up."""
    body = read_body(request, services)
    link = _find_link(_text(body, "token"), services)
    return jsonify(email=link.email, purpose=link.purpose)


def choose_password(request: Request, services: Services) -> ResponseReturnValue:
    """Set the password of the account of a link, which is added if the link is for a new one, and use the link up.

    Failed sign-ins no longer lock the account, neither for strangers nor in the client's network.
    """
    body = read_body(request, services)
    text, password = _text(body, "token"), _text(body, "password")
    _find_link(text, services)  # a password is hashed for nobody else
    token = OpaqueToken.parse(text)
    assert token is not None
    link = services.password_links.use(token, services.passwords.hash_new(password))
    services.sign_in_limits.forget(link.email, client_network(request, services.settings))
    return jsonify(email=link.email, purpose=link.purpose)


def _request_link(request: Request, services: Services, purpose: Purpose) -> ResponseReturnValue:
    settings, body = services.settings, read_body(request, services)
    if not _is_offered(purpose, settings):
        raise NotFound(f"This server offers no {purpose}; ask its operator.")
    address = parse_address(_text(body, "email"))
    if purpose == Purpose.SIGN_UP and settings.sign_up_domains:
        require_domain(address, settings.sign_up_domains)
    services.link_limits.count(purpose, address, client_network(request, settings))
    services.password_links.request(address, purpose)
    return jsonify(email=address), 202


def _find_link(text: str, services: Services) -> PasswordLink:
    """Return the link that a token opens; raises InvalidLink."""
    token = OpaqueToken.parse(text)
    link = services.password_links.find(token) if token else None
    if link is None or not _is_offered(link.purpose, services.settings):
        raise invalid_link()
    return link


def _is_offered(purpose: Purpose, settings: Settings) -> bool:
    return settings.sign_up if purpose == Purpose.SIGN_UP else settings.password_reset


def require_domain(address: str, allowed: tuple[str, ...]) -> None:
    """Raise AddressNotAllowed unless an address is at one of the domains."""
    if address.rpartition("@")[2] not in allowed:
        raise AddressNotAllowed(f"Sign up with an address at {' or '.join(allowed)}.")


def read_body(request: Request, services: Services) -> Mapping[str, Any]:
    """Return the JSON object of a request; raises BadRequest, or CrossSiteRequest if a page of another site sent it."""
    require_same_origin(request, services.settings)
    body = read_json_object(request)
    if body is None:
        raise BadRequest("The body must be a JSON object.")
    return body


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"The body must have {name}, a string.")
    return value
