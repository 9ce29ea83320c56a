"""Sign-in with an identity provider: the page redirects there, and returns with a code, which is redeemed here.

The code is redeemed by this function rather than by the page, so that it works with providers that require a secret, or
do not let pages of other origins read their token endpoint; and no token of the provider ever reaches a browser.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any

import structlog
from flask import Request, jsonify
from flask.typing import ResponseReturnValue

from soundlift.common.auth.users import User, parse_address
from soundlift.common.errors import (
    AccountDisabled,
    BadRequest,
    NoAccount,
    NotFound,
    ProviderSignInRefused,
    SoundliftError,
    UnverifiedAddress,
)
from soundlift.common.services import Services
from soundlift.common.web.client_address import client_network

from .begun_session import sign_in_response, wanted_session
from .password_links import read_body, require_domain

if TYPE_CHECKING:
    from soundlift.common.auth.oidc.provider import IdentityProvider

CODE = re.compile(r"[\x20-\x7e]{1,4096}")  # RFC 6749, appendix A.11; those of some providers contain claims
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636, section 4.1
NONCE = re.compile(r"[A-Za-z0-9_-]{22,128}")
ASCII_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
PASSWORD_BYTES = 32

log = structlog.get_logger()


def describe_provider(request: Request, services: Services) -> ResponseReturnValue:
    """Return what a page needs to send somebody to the provider."""
    provider = _provider(services)
    client = provider.client
    return jsonify(
        issuer=client.issuer,
        authorization_endpoint=provider.metadata().authorization_endpoint,
        client_id=client.client_id,
        redirect_uri=client.redirect_uri,
        scope=provider.scope,
    )


def sign_in_with_provider(request: Request, services: Services) -> ResponseReturnValue:
    """Return a token for a code of the provider, as `login` does for a password."""
    body = read_body(request, services)
    provider, wanted = _provider(services), wanted_session(body)
    sent = {name: _field(body, name, form) for name, form in (("code", CODE), ("verifier", VERIFIER), ("nonce", NONCE))}
    sign_in = services.sign_in_limits.begin(None, client_network(request, services.settings))
    try:
        user = _account(provider.verified_address(**sent), services)
    except ProviderSignInRefused as error:
        log.warning(error.code, **error.evidence)
        raise
    except SoundliftError:  # the code was not checked, or the person may not sign in, but did at the provider
        services.sign_in_limits.cancel(sign_in)
        raise
    services.sign_in_limits.succeed(sign_in)
    return sign_in_response(user, wanted, request, services)


def _provider(services: Services) -> IdentityProvider:
    provider = services.identity_provider
    if provider is None:
        raise NotFound("This server has no sign-in provider; sign in with a password.")
    return provider


def _account(email: str, services: Services) -> User:
    """Return the account of a verified address; raises UnverifiedAddress, NoAccount or AccountDisabled.

    Only the letters A to Z may be in another case than in the account: the lower case of the Kelvin sign is k, but the
    addresses with the two belong to different people.
    """
    try:
        address = parse_address(email)
    except BadRequest:
        raise _unusable() from None
    if address != email.strip().translate(ASCII_LOWER):
        raise _unusable()
    user = services.users.find(address) or _new_account(address, services)
    if user.disabled:
        raise AccountDisabled("Your account is disabled. Ask the operator of this server.")
    return user


def _new_account(address: str, services: Services) -> User:
    """Add an account with a password that nobody knows; its owner may choose one with a link to reset it."""
    settings = services.settings
    if not settings.oidc_sign_up:
        raise NoAccount(f"{address} has no account here. Ask the operator of this server for one.")
    if settings.sign_up_domains:
        require_domain(address, settings.sign_up_domains)
    hashed = services.passwords.hash_new(secrets.token_urlsafe(PASSWORD_BYTES))
    try:
        return services.users.add(address, hashed)
    except BadRequest:  # a concurrent sign-in has added it
        user = services.users.find(address)
        if user is None:
            raise
        return user


def _unusable() -> UnverifiedAddress:
    return UnverifiedAddress("The provider has no email address for you that can be used here.")


def _field(body: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise BadRequest(f"The body must have {name}, as the page made it or got it from the provider.")
    return value
