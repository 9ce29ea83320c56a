"""Signs and reads the two kinds of token: who is signed in, and which MP3 a mail's link opens."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt

from soundlift.common.errors import NotAuthorized

ISSUER = "soundlift"
SIGN_IN = "soundlift"
DOWNLOAD = "soundlift/download"
ALGORITHM = "HS256"
LONGEST_TOKEN = 4096
REGISTERED = ("iss", "aud", "sub", "iat", "exp", "jti")
REMEMBERED = 1024  # tokens whose signature was good; the next time only the clock is looked at


@dataclass(frozen=True)
class Identity:
    """Is who a request comes from, as its token says."""

    username: str
    admin: bool
    claims: Mapping[str, Any]

    def may_see(self, username: str) -> bool:
        """Tell whether this user may see what belongs to the other."""
        return self.admin or self.username == username


class Tokens:
    """Signs JWTs (RFC 7519) with one shared secret and reads nothing but its own."""

    def __init__(self, secret: str, *, sign_in_seconds: int, link_seconds: int) -> None:
        self._secret = secret
        self.sign_in_seconds = sign_in_seconds
        self._link_seconds = link_seconds
        self._verified = lru_cache(REMEMBERED)(self._decode)

    def sign_in(self, username: str, *, admin: bool) -> str:
        """Return the bearer token of a user."""
        return self._sign(SIGN_IN, username, self.sign_in_seconds, username=username, admin=admin)

    def identify(self, authorization: str | None) -> Identity:
        """Return who an Authorization header's bearer token names.

        Raises NotAuthorized for anything but one valid token, whatever the header holds.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotAuthorized("Send the header Authorization: Bearer, with a token from /login.")
        claims = self._read(token.strip(), SIGN_IN, required=("username", "admin"))
        username, admin = claims["username"], claims["admin"]
        if not isinstance(username, str) or not isinstance(admin, bool):
            raise NotAuthorized("The token is not valid. Sign in again.")
        return Identity(username=username, admin=admin, claims=claims)

    def download_link(self, mp3_fid: str) -> str:
        """Return the token that opens one MP3 without a sign-in."""
        return self._sign(DOWNLOAD, mp3_fid, self._link_seconds)

    def linked_mp3(self, token: str) -> str:
        """Return the MP3 id that a download token opens; raises NotAuthorized."""
        return str(self._read(token, DOWNLOAD)["sub"])

    def _sign(self, audience: str, subject: str, seconds: int, **claims: Any) -> str:
        issued = int(time.time())
        registered = {"iss": ISSUER, "aud": audience, "sub": subject, "iat": issued, "exp": issued + seconds}
        return jwt.encode({**registered, "jti": secrets.token_hex(16), **claims}, self._secret, ALGORITHM)

    def _read(self, token: str, audience: str, required: tuple[str, ...] = ()) -> Mapping[str, Any]:
        try:
            if len(token) > LONGEST_TOKEN:
                raise jwt.DecodeError
            claims = self._verified(token, audience, required)
            if int(claims["exp"]) <= time.time():
                raise jwt.ExpiredSignatureError
            return claims
        except jwt.ExpiredSignatureError:
            raise NotAuthorized("The token has expired. Sign in again, or ask for a new link.") from None
        except (jwt.PyJWTError, ValueError):
            raise NotAuthorized("The token is not valid. Sign in again.") from None

    def _decode(self, token: str, audience: str, required: tuple[str, ...]) -> Mapping[str, Any]:
        return jwt.decode(
            token,
            self._secret,
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=ISSUER,
            options={"require": [*REGISTERED, *required], "strict_aud": True},
        )
