"""The kinds of signed token: one identifies a user, the others give access to the files that a signed link names.

The kinds differ in audience and type, so that no token is accepted as another kind (RFC 8725, sections 3.11 and 3.12).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt

from soundlift.common.auth.refresh_tokens import RefreshToken
from soundlift.common.auth.signing_keys import SigningKeys
from soundlift.common.errors import LinkExpired, NotAuthorized

ISSUER = "soundlift"
SIGN_IN = "soundlift"
DOWNLOAD = "soundlift/download"
ARCHIVE = "soundlift/archive"
ALGORITHM = "HS256"
MAX_TOKEN_LENGTH = 4096
REGISTERED = ("iss", "aud", "sub", "iat", "exp", "jti")


@dataclass(frozen=True)
class Identity:
    """The user that a request comes from, according to its token or API key."""

    username: str
    admin: bool
    claims: Mapping[str, Any]

    def may_see(self, username: str) -> bool:
        """Return whether this user may see what belongs to another."""
        return self.admin or self.username == username


class Tokens:
    """JWTs (RFC 7519) signed with one of the shared keys; all others are rejected."""

    def __init__(self, keys: tuple[str, ...], *, sign_in_seconds: int, link_seconds: int) -> None:
        self._keys = SigningKeys(keys)
        self.sign_in_seconds = sign_in_seconds
        self._link_seconds = link_seconds

    def sign_in(self, username: str, *, admin: bool) -> str:
        """Return the bearer token of a user."""
        return self._sign(SIGN_IN, username, self.sign_in_seconds, username=username, admin=admin)

    def successors(self, token: RefreshToken) -> Sequence[RefreshToken]:
        """Return the refresh token that replaces another, and those that a replica may have chosen by another key."""
        return [token.successor(key) for key in self._keys.all]

    def identify(self, authorization: str | None) -> Identity:
        """Return the user that the access token in an Authorization header identifies; `Identification` reads keys too.

        Raises NotAuthorized for anything but one valid token, whatever the header contains.
        """
        claims = self._read(bearer_token(authorization), SIGN_IN, required=("username", "admin"))
        username, admin = claims["username"], claims["admin"]
        if not isinstance(username, str) or not isinstance(admin, bool):
            raise NotAuthorized("The token is not valid. Sign in again.")
        return Identity(username=username, admin=admin, claims=claims)

    def download_link(self, mp3_fid: str) -> str:
        """Return the token that gives access to one audio file without a sign-in."""
        return self._sign(DOWNLOAD, mp3_fid, self._link_seconds)

    def linked_audio(self, token: str) -> str:
        """Return the id of the audio file that a download token gives access to; raises NotAuthorized."""
        return str(self._read(token, DOWNLOAD)["sub"])

    def is_link_to(self, token: str, mp3_fid: str) -> bool:
        """Return whether a download token was made for an audio file, even if it has expired."""
        try:
            return bool(self._read(token, DOWNLOAD, verify_exp=False)["sub"] == mp3_fid)
        except NotAuthorized:
            return False

    def archive_link(self, job_ids: Collection[str]) -> str:
        """Return the token that gives access to the audio files of exactly these jobs without a sign-in."""
        return self._sign(ARCHIVE, _digest(job_ids), self._link_seconds)

    def check_archive_link(self, token: str, job_ids: Collection[str]) -> None:
        """Raise NotAuthorized unless a token gives access to exactly these jobs, in any order."""
        if self._read(token, ARCHIVE)["sub"] != _digest(job_ids):
            raise NotAuthorized("The link is for different audio files.")

    def _sign(self, audience: str, subject: str, seconds: int, **claims: Any) -> str:
        issued = int(time.time())
        registered = {"iss": ISSUER, "aud": audience, "sub": subject, "iat": issued, "exp": issued + seconds}
        return jwt.encode(
            {**registered, "jti": secrets.token_hex(16), **claims},
            self._keys.current,
            ALGORITHM,
            headers={"kid": self._keys.current_id, "typ": _type(audience)},
        )

    def _read(
        self, token: str, audience: str, required: Sequence[str] = (), *, verify_exp: bool = True
    ) -> Mapping[str, Any]:
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token,
                self._find_key(token, audience),
                algorithms=[ALGORITHM],
                audience=audience,
                issuer=ISSUER,
                options={"require": [*REGISTERED, *required], "strict_aud": True, "verify_exp": verify_exp},
            )
        except jwt.ExpiredSignatureError:
            if audience == SIGN_IN:
                raise NotAuthorized("The token has expired. Sign in again.") from None
            raise LinkExpired("The link has expired. Sign in to get a new one.") from None
        except (jwt.PyJWTError, ValueError):
            raise NotAuthorized("The token is not valid. Sign in again.") from None
        return claims

    def _find_key(self, token: str, audience: str) -> str:
        """Return the key that a token of a kind names; raises jwt.DecodeError."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise jwt.DecodeError
        header = jwt.get_unverified_header(token)
        key = self._keys.find(header.get("kid"))
        if key is None or header.get("typ") != _type(audience):
            raise jwt.DecodeError
        return key


def bearer_token(authorization: str | None) -> str:
    """Return the token of an Authorization header (RFC 6750, section 2.1); raises NotAuthorized."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthorized("Send the header Authorization: Bearer, with a token from /login or an API key.")
    return token.strip()


def _type(audience: str) -> str:
    """Return the type of a kind of token, without `application/` (RFC 7515, section 4.1.9)."""
    return f"{audience.replace('/', '-')}+jwt"


def _digest(job_ids: Collection[str]) -> str:
    """Return a text of fixed length that identifies a set of job ids."""
    return sha256(" ".join(sorted(set(job_ids))).encode()).hexdigest()
