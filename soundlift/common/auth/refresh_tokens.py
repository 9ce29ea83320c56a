"""Refresh tokens: opaque texts, each exchanged once for an access token and the next refresh token."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from soundlift.common.auth.opaque_tokens import OpaqueToken

PURPOSE = b"soundlift/refresh\0"  # no JWT begins like this, and the same key signs those


@dataclass(frozen=True)
class RefreshToken(OpaqueToken):
    """A token of a session; `id` is the session's."""

    def successor(self, key: str) -> RefreshToken:
        """Return the token that replaces this one: always the same, so that a repeated request gets the same answer."""
        digest = hmac.digest(key.encode(), PURPOSE + self.text.encode(), "sha256")
        return RefreshToken(self.id, urlsafe_b64encode(digest).rstrip(b"=").decode())
