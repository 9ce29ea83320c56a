"""Password hashing with Argon2id, a few at a time, since each hash takes 19 MiB of memory."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from soundlift.common.auth.bounded_pool import BoundedPool
from soundlift.common.process.memory_limit import memory_limit

MIN_CONCURRENCY, MAX_CONCURRENCY = 2, 4
# The share of the memory limit: a hash, the memory that the thread's allocator keeps, and the rest of login.
BYTES_PER_HASH = 64 * 2**20
QUEUE = 24
WAIT_SECONDS = 2.0

# OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

# Verified for an unknown account, so that it takes as long as a wrong password. No known password has this hash.
_parameters = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
DUMMY_HASH = f"$argon2id$v=19${_parameters}${'A' * 22}${'A' * 43}"


def hash_password(password: str) -> str:
    """Return the salted Argon2id hash of a password, in its PHC string form; raises Busy."""
    return _pool.run(_hasher.hash, password)


def password_matches(password: str, hashed: str | None) -> bool:
    """Return whether a password matches a hash, after the same time if there is no hash; raises Busy."""
    return _pool.run(_verify, password, DUMMY_HASH if hashed is None else hashed) and hashed is not None


def max_concurrency(limit: int | None) -> int:
    """Return how many passwords a process with a memory limit in bytes may hash concurrently."""
    return max(MIN_CONCURRENCY, min((limit or 0) // BYTES_PER_HASH, MAX_CONCURRENCY))


def _verify(password: str, hashed: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


# Created at import: in a cached function, concurrent first calls would each create one. Passwords have their own
# threads because the allocator keeps freed memory per thread: each thread that hashed one would keep 19 MiB.
_pool = BoundedPool(
    "password",
    threads=max_concurrency(memory_limit()),
    queue=QUEUE,
    wait_seconds=WAIT_SECONDS,
    busy_message="Too many passwords are being verified; retry shortly.",
)
