"""Password hashing with Argon2id, a few at a time, since each hash takes 19 MiB of memory or more."""

from __future__ import annotations

import os
import unicodedata
from enum import Enum
from functools import cached_property
from threading import Lock

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from soundlift.common.auth.bounded_pool import BoundedPool
from soundlift.common.errors import BadPassword
from soundlift.common.process.memory_limit import memory_limit
from soundlift.common.settings import Settings

MIN_PASSWORD_LENGTH = 8  # in characters
MAX_PASSWORD_BYTES = 1024  # in UTF-8
MAX_RAW_BYTES = 4 * MAX_PASSWORD_BYTES  # before the normalization, which composes characters; it takes quadratic time
MAX_CONCURRENCY = 4
UNLIMITED_CONCURRENCY = 2  # if no memory limit can be read
# The share of the memory limit besides the hash: the memory that the thread's allocator keeps, and the rest of login.
BYTES_PER_THREAD = 45 * 2**20
QUEUE = 24
WAIT_SECONDS = 2.0

_pools: dict[int, BoundedPool] = {}
_creating_pool = Lock()


class Match(Enum):
    """The result of verifying a password."""

    NONE = "the password is wrong"
    OUTDATED = "the password matches a hash that should be replaced, since it was made in another way"
    CURRENT = "the password matches"


class Passwords:
    """Passwords as hashes in the PHC string form. All objects of a process share one pool of threads.

    Each method raises BadPassword for a text that cannot be a password, and Busy if too many passwords are hashed.
    """

    def __init__(self, settings: Settings) -> None:
        # One lane: the pool uses the cores.
        memory, passes = settings.password_memory_kib, settings.password_passes
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=1)
        # Verified for an unknown account, so that it takes as long as a wrong password. No known password has it.
        self.dummy_hash = f"$argon2id$v=19$m={memory},t={passes},p=1${'A' * 22}${'A' * 43}"

    def hash_new(self, password: str) -> str:
        """Return the salted hash of a new password, which must have at least MIN_PASSWORD_LENGTH characters."""
        if len(normalized(password)) < MIN_PASSWORD_LENGTH:
            raise BadPassword(f"A password must have at least {MIN_PASSWORD_LENGTH} characters.")
        return self.hash(password)

    def hash(self, password: str) -> str:
        """Return the salted hash of a password."""
        return self._pool.run(self._hasher.hash, normalized(password))

    def verify(self, password: str, hashed: str | None) -> Match:
        """Return whether a password matches a hash, after the same time if there is no hash."""
        text, known = normalized(password), self.dummy_hash if hashed is None else hashed
        if self._pool.run(self._matches, known, text):
            return Match.CURRENT if self.is_current(known) else Match.OUTDATED
        # Earlier releases hashed passwords as they were typed.
        if text != password and self._pool.run(self._matches, known, password):
            return Match.OUTDATED
        return Match.NONE

    def is_current(self, hashed: str) -> bool:
        """Return whether a hash was made with the parameters of the settings."""
        try:
            return not self._hasher.check_needs_rehash(hashed)
        except InvalidHashError:
            return False

    @cached_property
    def _pool(self) -> BoundedPool:
        """Return the pool, of which concurrent first calls must not create two.

        Passwords have their own threads because the allocator keeps freed memory per thread: each thread that hashed
        one would keep its memory.
        """
        threads = max_concurrency(memory_limit(), self._hasher.memory_cost * 1024, os.cpu_count() or 1)
        with _creating_pool:
            if threads not in _pools:
                message = "Too many passwords are being verified; retry shortly."
                _pools[threads] = BoundedPool(
                    "password", threads=threads, queue=QUEUE, wait_seconds=WAIT_SECONDS, busy_message=message
                )
            return _pools[threads]

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False


def normalized(password: str) -> str:
    """Return a password in NFKC, the same from every keyboard (NIST SP 800-63B); raises BadPassword."""
    if "\0" in password:
        raise BadPassword("A password must not contain the character NUL.")
    too_long = BadPassword(f"A password must have at most {MAX_PASSWORD_BYTES} bytes in UTF-8.")
    if _size(password) > MAX_RAW_BYTES:
        raise too_long
    text = unicodedata.normalize("NFKC", password)
    if _size(text) > MAX_PASSWORD_BYTES:
        raise too_long
    return text


def max_concurrency(limit: int | None, hash_bytes: int, cores: int) -> int:
    """Return how many passwords a process with a memory limit in bytes and some cores may hash concurrently."""
    by_memory = UNLIMITED_CONCURRENCY if limit is None else limit // (hash_bytes + BYTES_PER_THREAD)
    return max(1, min(by_memory, cores, MAX_CONCURRENCY))


def _size(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise BadPassword("A password must be text that UTF-8 can encode.") from None
