"""API keys: opaque texts with which programs authenticate, of which the database has the hash."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

PREFIX = "slk_"  # lets scanners of source code find lost keys; a double click selects the whole of a key
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_LENGTH, CHECKSUM_LENGTH = 32, 6  # 190 random bits, and a CRC-32
START_LENGTH = 8  # characters that are stored and shown, so that people recognize a key
FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}}")


@dataclass(frozen=True)
class ApiKey:
    """A key with a correct checksum, which the repr omits."""

    text: str = field(repr=False)

    @classmethod
    def create(cls) -> ApiKey:
        """Return a new key."""
        secret = PREFIX + "".join(secrets.choice(DIGITS) for _ in range(SECRET_LENGTH))
        return cls(secret + checksum(secret))

    @classmethod
    def parse(cls, text: str) -> ApiKey | None:
        """Return the key that a client sent, or None if it is mistyped or incomplete."""
        if not FORM.fullmatch(text):
            return None
        body, end = text[:-CHECKSUM_LENGTH], text[-CHECKSUM_LENGTH:]
        return cls(text) if hmac.compare_digest(end, checksum(body)) else None

    @property
    def start(self) -> str:
        """Return the part that people may see."""
        return self.text[:START_LENGTH]

    @property
    def hash(self) -> str:
        """Return what is stored of the key: its SHA-256 in hexadecimal digits, since its secret cannot be guessed."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def is_api_key(text: str) -> bool:
    """Return whether a bearer token is meant to be a key, even a mistyped one; no JWT begins like one."""
    return text.startswith(PREFIX)


def checksum(text: str) -> str:
    """Return the CRC-32 (that of zlib) of a text as six digits to the base 62."""
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits
