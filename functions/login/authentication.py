"""The check of an address and a password: counted before it is made, and equally fast however it fails."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Request

from soundlift.common.auth.passwords import Match, normalized
from soundlift.common.auth.users import User
from soundlift.common.errors import (
    Busy,
    InvalidCredentials,
    InvalidJsonCredentials,
    MissingCredentials,
    SoundliftError,
    TooManyAttempts,
)
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.common.web.client_address import client_network

from .credentials import Credentials, read_credentials
from .failure_time import FailureTime
from .provider_name import provider_name

_failure_time = FailureTime()


def authenticate(request: Request, body: Mapping[str, Any] | None, services: Services) -> User:
    """Return the user whose password a request contains.

    Raises MissingCredentials, BadPassword, InvalidCredentials, TooManyAttempts or Busy. Each of them is the same for an
    account that exists and one that does not.
    """
    credentials = read_credentials(request, body)
    if credentials is None:
        raise MissingCredentials("Send an email address and a password, by HTTP Basic or as JSON.")
    normalized(credentials.password)  # raises BadPassword, before anything is counted
    began = time.monotonic()
    try:
        sign_in = services.sign_in_limits.begin(credentials.email, client_network(request, services.settings))
    except TooManyAttempts:
        _failure_time.wait(began)
        raise
    try:
        user, matches = _verify(credentials, services)
    except SoundliftError:  # the password was not checked
        services.sign_in_limits.cancel(sign_in)
        raise
    if user is None or not matches:
        _even_out(began, user, services)
        error = InvalidCredentials if credentials.by_basic else InvalidJsonCredentials
        raise error(f"The email address or the password is wrong.{_advice(services.settings)}")
    services.sign_in_limits.succeed(sign_in)
    return user


def _advice(settings: Settings) -> str:
    """Return what people do who have signed in with the provider only; it is the same for every account."""
    name = provider_name(settings)
    if name is None:
        return ""
    password = ", or choose a password with “Forgot password?”" if settings.password_reset else ""
    return f" If you sign in with {name} on the page, make an API key there{password}."


def _even_out(began: float, user: User | None, services: Services) -> None:
    """Record how long a failure took; one whose hash is not like new ones waits for as long as others took."""
    if user is None or services.passwords.is_current(user.password):
        _failure_time.record(began)
    else:
        _failure_time.wait(began)


def _verify(credentials: Credentials, services: Services) -> tuple[User | None, bool]:
    """Return the user, and whether the password matches; a hash that was made in another way is replaced.

    No password matches a disabled user.
    """
    user = services.users.find(credentials.email)
    match = services.passwords.verify(credentials.password, user.password if user else None)
    if user is not None and user.disabled:
        return user, False
    if user is not None and match is Match.OUTDATED:
        return _replace_hash(user, credentials, services)
    return user, match is not Match.NONE


def _replace_hash(user: User, credentials: Credentials, services: Services) -> tuple[User | None, bool]:
    """Return the user with a new hash of the same password, and whether that still is the password."""
    try:
        hashed = services.passwords.hash(credentials.password)
    except Busy:
        return user, True  # the next sign-in replaces it
    if services.users.replace_hash(user, hashed):
        return replace(user, password=hashed), True
    return _verify(credentials, services)  # a concurrent sign-in has replaced the hash, or the password was changed
