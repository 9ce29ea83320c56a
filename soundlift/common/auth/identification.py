"""Who sends a request: the user of an access token, which is checked without the database, or of an API key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from soundlift.common.auth.api_keys import ApiKey, is_api_key
from soundlift.common.auth.scopes import Scope
from soundlift.common.auth.tokens import Identity, Tokens, bearer_token
from soundlift.common.errors import InsufficientScope, NotAuthorized

if TYPE_CHECKING:
    from soundlift.common.auth.key_store import ApiKeys


class Identification:
    """The check of the header Authorization of every function."""

    def __init__(self, tokens: Tokens, open_keys: Callable[[], ApiKeys]) -> None:
        """Make a check that opens the store of keys when the first key arrives."""
        self._tokens = tokens
        self._open_keys = open_keys

    def identify(self, authorization: str | None, *, scope: str | None) -> Identity:
        """Return the user of a request; a key must have a scope, or may be any that works if `scope` is None.

        With a key that lacks the scope `admin`, an admin has the rights of an ordinary user. Raises NotAuthorized,
        with the same answer for every key that does not work; InsufficientScope; and DatabaseUnavailable for a key.
        """
        required = None if scope is None else Scope(scope)
        token = bearer_token(authorization)
        return self._identify_key(token, required) if is_api_key(token) else self._tokens.identify(authorization)

    def identify_signed_in(self, authorization: str | None) -> Identity:
        """Return the user of an access token; raises InsufficientScope for every key, and NotAuthorized."""
        if is_api_key(bearer_token(authorization)):
            raise InsufficientScope("No API key may do this. Sign in, and send the access token instead.")
        return self._tokens.identify(authorization)

    def _identify_key(self, text: str, required: Scope | None) -> Identity:
        key = ApiKey.parse(text)
        use = self._open_keys().use(key) if key else None
        if use is None:
            raise NotAuthorized(
                "The API key is mistyped, has expired, was revoked, or its account is disabled. Make a new one."
            )
        structlog.contextvars.bind_contextvars(api_key_id=use.id)
        if required is not None and required not in use.scopes:
            raise InsufficientScope(
                f"This API key lacks the scope {required}. Use a key that has it, or sign in.", scope=required
            )
        is_admin = use.is_admin and Scope.ADMIN in use.scopes
        scopes = [str(scope) for scope in Scope if scope in use.scopes]
        claims = {"username": use.username, "admin": is_admin, "name": use.name, "scopes": scopes}
        return Identity(username=use.username, admin=is_admin, claims=claims)
