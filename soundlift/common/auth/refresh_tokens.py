"""Refresh tokens: opaque texts, each exchanged once for an access token and the next refresh token."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

FORM = re.compile(r"([0-9a-f]{24})\.([A-Za-z0-9_-]{43})")
ID_BYTES, SECRET_BYTES = 12, 32
PURPOSE = b"soundlift/refresh\0"  # no JWT begins like this, and the same key signs those


@dataclass(frozen=True)
class RefreshToken:
    """A refresh token: the id of its session, and a secret of 32 bytes in base64, which its repr omits."""

    session_id: str
    secret: str = field(repr=False)

    @classmethod
    def create(cls) -> RefreshToken:
        """Return the first token of a new session."""
        return cls(secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES))

    @classmethod
    def parse(cls, text: str | None) -> RefreshToken | None:
        """Return the token that a client sent, or None if it does not have the form of one."""
        found = FORM.fullmatch(text or "")
        return cls(*found.groups()) if found else None

    @property
    def text(self) -> str:
        """Return the token as a client sends it."""
        return f"{self.session_id}.{self.secret}"

    @property
    def hash(self) -> str:
        """Return what is stored of the token: its SHA-256 in hexadecimal digits, since its secret cannot be guessed."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def successor(self, key: str) -> RefreshToken:
        """Return the token that replaces this one: always the same, so that a repeated request gets the same answer."""
        digest = hmac.digest(key.encode(), PURPOSE + self.text.encode(), "sha256")
        return RefreshToken(self.session_id, urlsafe_b64encode(digest).rstrip(b"=").decode())
