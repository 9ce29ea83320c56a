"""Opaque tokens: texts that only a row of the database gives a meaning, which stores their hash."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Self

FORM = re.compile(r"([0-9a-f]{24})\.([A-Za-z0-9_-]{43})")
ID_BYTES, SECRET_BYTES = 12, 32


@dataclass(frozen=True)
class OpaqueToken:
    """The id of a row, and a secret of 32 bytes in base64, which the repr omits."""

    id: str
    secret: str = field(repr=False)

    @classmethod
    def create(cls, row_id: str | None = None) -> Self:
        """Return a new token of a row, by default of a new one."""
        return cls(row_id or secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES))

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Return the token that a client sent, or None if it does not have the form of one."""
        found = FORM.fullmatch(text or "")
        return cls(*found.groups()) if found else None

    @property
    def text(self) -> str:
        """Return the token as a client sends it."""
        return f"{self.id}.{self.secret}"

    @property
    def hash(self) -> str:
        """Return what is stored of the token: its SHA-256 in hexadecimal digits, since its secret cannot be guessed."""
        return hashlib.sha256(self.text.encode()).hexdigest()
