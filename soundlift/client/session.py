"""The sign-in of one user, renewed when its access token expires."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from threading import Lock
from typing import Any

from soundlift.client.connection import Connection, Request
from soundlift.client.errors import ApiError, BadArgument, ConnectionFailed
from soundlift.client.retries import Retries

OnTokens = Callable[[str, str | None], None]
"""A callback that gets the access token and the refresh token after each sign-in and each renewal."""

TokenSource = Callable[[str | None], str]
"""A function that returns an access token other than the given one, which the server has refused.

It is for programs that keep tokens themselves, such as several processes that share a session: a refresh token must not
be used twice, so only one of them may renew it.
"""

MARGIN_SECONDS = 60
SHOWN_LENGTH = 8  # characters of an API key, which the list of keys shows, too
ANSWER_SECONDS = 60
# An older server has no sessions, and answers 404 or 405.
REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)


@dataclass(frozen=True, kw_only=True, repr=False)
class Credentials:
    """What a client authenticates with, and a callback for the tokens that it then gets."""

    api_key: str | None = None
    token: str | None
    email: str | None
    password: str | None
    refresh_token: str | None
    on_tokens: OnTokens | None
    token_source: TokenSource | None = None


def api_key_of(credentials: Credentials) -> str | None:
    """Return the API key to use: the one given, or the one in SOUNDLIFT_API_KEY if nothing is given.

    Raises BadArgument if there are other credentials besides a key that was given.
    """
    others = (credentials.token, credentials.email, credentials.refresh_token, credentials.token_source)
    has_others = any(each is not None for each in others)
    if credentials.api_key is None:
        return None if has_others else os.environ.get("SOUNDLIFT_API_KEY", "").strip() or None
    if has_others:
        raise BadArgument("Give either an API key, or a token, or an email address and a password.")
    return credentials.api_key


class Session:
    """The tokens of one user; threads may share a session, and only one of them renews it at a time."""

    def __init__(self, connection: Connection, retries: Retries, credentials: Credentials) -> None:
        self._connection = connection
        self._retries = retries
        self._email = credentials.email
        self._password = credentials.password
        self._api_key = api_key_of(credentials)
        self._token = self._api_key or credentials.token
        self._refresh_token = credentials.refresh_token
        self._on_tokens = credentials.on_tokens
        self._token_source = credentials.token_source
        self._expires_at = float("inf")
        self._lock = Lock()

    def token(self) -> str:
        """Return an access token, after signing in or renewing it if necessary."""
        with self._lock:
            return self._token if self._token is not None and not self._expires_soon() else self._renew()

    def renew(self, refused: str) -> bool:
        """Replace an access token that the server refused, unless another thread has; return whether there is one."""
        with self._lock:
            if self._token != refused:
                return self._token is not None
            if not self._can_renew():
                return False
            self._renew()
            return True

    def explained(self, error: ApiError) -> ApiError:
        """Return the server's refusal of the credentials, with what to do if it refuses an API key."""
        if self._api_key is None or error.status != HTTPStatus.UNAUTHORIZED:
            return error
        detail = (
            f"The server refuses the API key {self._api_key[:SHOWN_LENGTH]}…: it has expired or was revoked, is "
            "mistyped or of another server, or its account is disabled. Make a new one with `soundlift key add`."
        )
        return ApiError(error.status, code=error.code, title=error.title, detail=detail)

    def sign_in(self) -> str:
        """Sign in anew, and return the access token; raises BadArgument with an API key, which needs no sign-in."""
        if self._api_key is not None:
            raise BadArgument("An API key needs no sign-in, and cannot be exchanged for a token.")
        with self._lock:
            return self._renew()

    def sign_out(self) -> None:
        """Revoke the refresh token, and forget the tokens."""
        with self._lock:
            refresh_token, self._token, self._refresh_token = self._refresh_token, None, None
            if refresh_token is not None:
                self._post("/login/sign-out", {"refresh_token": refresh_token})

    def _can_renew(self) -> bool:
        has_password = self._email is not None and self._password is not None
        return self._token_source is not None or self._refresh_token is not None or has_password

    def _expires_soon(self) -> bool:
        return self._can_renew() and time.monotonic() >= self._expires_at

    def _renew(self) -> str:
        if (source := self._token_source) is not None:
            refused = self._token
            self._token = self._retries.run(lambda: source(refused))
            return self._token
        if self._refresh_token is not None:
            try:
                return self._take(self._post("/login/refresh", {"refresh_token": self._refresh_token}))
            except ApiError as error:
                if error.status not in REFUSED or self._password is None:
                    raise
                self._refresh_token = None
        if self._email is None or self._password is None:
            raise BadArgument("Credentials are missing: give an API key, a token, or an email address and a password.")
        kept = {"refresh": "token"} if self._on_tokens else {}
        return self._take(self._post("/login", {"email": self._email, "password": self._password, **kept}))

    def _take(self, tokens: dict[str, Any]) -> str:
        """Keep the tokens in the server's answer; raises ConnectionFailed if there are none."""
        access, refresh, seconds = tokens.get("access_token"), tokens.get("refresh_token"), tokens.get("expires_in")
        if not isinstance(access, str) or not isinstance(refresh, str | None):
            raise ConnectionFailed("The server's answer to the sign-in has no token. Is it Soundlift?")
        self._token, self._refresh_token = access, refresh or self._refresh_token
        lifetime = seconds if isinstance(seconds, int | float) else float("inf")
        self._expires_at = time.monotonic() + lifetime - min(MARGIN_SECONDS, lifetime / 10)
        if self._on_tokens:
            self._on_tokens(access, self._refresh_token)
        return access

    def _post(self, path: str, document: dict[str, str]) -> dict[str, Any]:
        """Send a document, and return the server's; a repetition has no further effect."""
        request = Request.of_json("POST", path, document, wait=ANSWER_SECONDS)
        return self._retries.run(lambda: self._connection.json(request))
