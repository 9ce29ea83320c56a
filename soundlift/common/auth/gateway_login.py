"""The login of a gateway (HTTP Basic, RFC 7617): how a client sends it, and how the local gateway checks it."""

from __future__ import annotations

import base64
import hmac

from soundlift.common.errors import SettingError
from soundlift.common.settings import Settings


def login_headers(settings: Settings) -> dict[str, str]:
    """Return the Authorization header for the gateway; raises SettingError if half of the login is missing."""
    user, password = settings.basic_auth_user, settings.basic_auth_password
    if bool(user) != bool(password):
        missing = "BASIC_AUTH_PASSWORD" if user else "BASIC_AUTH_USER"
        raise SettingError(
            f"Setting {missing} is missing: set both BASIC_AUTH_USER and BASIC_AUTH_PASSWORD, or neither.",
            setting=missing,
        )
    return {"Authorization": f"Basic {_credentials(settings)}"} if user else {}


def has_gateway_login(settings: Settings, authorization: str) -> bool:
    """Return whether an Authorization header has the login, or just the password as a bearer token (RFC 6750).

    The comparison takes constant time. Guesses are not counted, since the generated password has 256 random bits, and a
    limit could be used to lock out the connector and cron. If the settings contain no login, no header is accepted.
    """
    scheme, _, credentials = authorization.partition(" ")
    expected = {"basic": _credentials(settings), "bearer": settings.basic_auth_password}.get(scheme.lower(), "")
    matches = hmac.compare_digest(credentials.strip().encode(), expected.encode())
    return bool(login_headers(settings)) and bool(expected) and matches


def _credentials(settings: Settings) -> str:
    return base64.b64encode(f"{settings.basic_auth_user}:{settings.basic_auth_password}".encode()).decode()
