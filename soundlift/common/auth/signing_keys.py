"""The keys that sign tokens: the first signs and all verify, so that a key can be replaced while tokens are valid."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode

PURPOSE = b"soundlift/kid\0"  # no JWT begins like this, and the same key signs those
ID_BYTES = 9


class SigningKeys:
    """The keys of the setting JWT_SECRET, each of which has an id that a token names (RFC 7515, section 4.1.4)."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.all = keys
        self._by_id = {_key_id(key): key for key in keys}
        self.current_id, self.current = next(iter(self._by_id.items()))  # the key that signs

    def find(self, key_id: object) -> str | None:
        """Return the key with an id that a client sent, or None."""
        return self._by_id.get(key_id) if isinstance(key_id, str) else None


def _key_id(key: str) -> str:
    """Return the same id on every replica; it does not disclose the key."""
    return urlsafe_b64encode(hmac.digest(key.encode(), PURPOSE, "sha256")[:ID_BYTES]).decode()
