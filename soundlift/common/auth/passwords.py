"""Hashes and verifies passwords with Argon2id, a few at a time, since each one takes 19 MiB of memory."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from soundlift.common.auth.bounded_pool import BoundedPool
from soundlift.common.process.memory_limit import memory_limit

FEWEST_AT_ONCE, MOST_AT_ONCE = 2, 4
BYTES_FOR_EACH = 64 * 2**20  # of the process's limit: a hash, what its thread's allocator keeps, and the rest of login
QUEUE = 24
WAIT_SECONDS = 2.0

# OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

# Verified where there is no account, so that this takes as long. It is the hash of no known password.
_parameters = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
HASH_OF_NOBODY = f"$argon2id$v=19${_parameters}${'A' * 22}${'A' * 43}"


def hash_password(password: str) -> str:
    """Return the salted Argon2id hash of a password, in its PHC string form; raises Busy."""
    return _pool.run(_hasher.hash, password)


def password_matches(password: str, hashed: str | None) -> bool:
    """Return whether a password is right, after the same time where there is no hash to compare with; raises Busy."""
    return _pool.run(_verify, password, HASH_OF_NOBODY if hashed is None else hashed) and hashed is not None


def hashes_at_once(limit: int | None) -> int:
    """Return how many passwords a process with this memory limit in bytes may hash at once."""
    return max(FEWEST_AT_ONCE, min((limit or 0) // BYTES_FOR_EACH, MOST_AT_ONCE))


def _verify(password: str, hashed: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


# Made here, since of threads that all come first each would make its own in a function that caches it. Its threads
# are for passwords alone: the allocator keeps the memory of a hash for the thread that freed it, so any thread that
# ever hashed a password would keep 19 MiB.
_pool = BoundedPool(
    "password",
    threads=hashes_at_once(memory_limit()),
    queue=QUEUE,
    wait_seconds=WAIT_SECONDS,
    busy="Too many passwords are being verified at once. Try again in a moment.",
)
