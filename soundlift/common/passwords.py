"""Hashes and checks passwords with Argon2id."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """Return the salted Argon2id hash of a password, in its PHC string form."""
    return _hasher.hash(password)


def password_matches(password: str, hashed: str | None) -> bool:
    """Tell whether the password is right, in the same time when there is no hash to compare with."""
    try:
        return _hasher.verify(_nobodys_hash() if hashed is None else hashed, password) and hashed is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys_hash() -> str:
    return _hasher.hash("nobody has this password")
