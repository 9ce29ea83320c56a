"""The cursor of a list of changes, which describes what its holder has seen; imports no SQL library.

A change records the database's time and becomes visible at its commit, which may be later: transactions commit in
another order than that of their times. "Everything after the time of the last change" would therefore miss some. A
cursor instead describes a window, which begins OVERLAP_SECONDS before the time at which it was made, longer than any
transaction lasts: all jobs in the window that its holder has seen, as one digest for each of BUCKETS groups of jobs.
A group whose digest differs contains a change. The jobs of a group are sent together, so a job may be sent again
without a change, but no change is ever missed.

A transaction lasts at most five minutes: the server rolls it back if its process sends nothing for a minute, and at
most four statements and the commit follow the one that records the time.
"""

from __future__ import annotations

import struct
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

OVERLAP_SECONDS = 600
MAX_AGE_SECONDS = 3600  # of a cursor's window; later, its holder gets a page instead
KEEP_DELETIONS_SECONDS = MAX_AGE_SECONDS + OVERLAP_SECONDS
BUCKETS = 200
DIGEST_BYTES = 6
HEAD = struct.Struct(">Bd4s")  # version, start of the window, scope
ENTRY = struct.Struct(f">B{DIGEST_BYTES}s")
VERSION = 1
MAX_CURSOR_LENGTH = 2048  # characters

Digests = Mapping[int, bytes]


@dataclass(frozen=True)
class Update:
    """The last change of one job, or its deletion; `at` is in seconds since 1970 and increases with each change."""

    job_id: str
    at: float
    deleted: bool


@dataclass(frozen=True)
class Cursor:
    """The start of a window, in seconds since 1970 by the database's clock, and the digests of what was seen in it.

    `scope` is the user whose jobs were listed, or None for all jobs.
    """

    since: float
    scope: str | None
    digests: Digests

    @staticmethod
    def start(moment: float) -> float:
        """Return the earliest time of a change that may become visible at `moment` or later."""
        return moment - OVERLAP_SECONDS

    @classmethod
    def after(cls, updates: Iterable[Update], moment: float, scope: str | None, *, since: float = 0) -> Cursor:
        """Return the cursor of a holder who has seen `updates`, which were read at `moment` or later.

        They must contain all updates from `since` or from start(moment) on, whichever is later.
        """
        start = max(since, cls.start(moment))
        return cls(start, scope, _digests(update for update in updates if update.at >= start))

    @classmethod
    def parse(cls, text: str, scope: str | None) -> Cursor | None:
        """Return the cursor that a client sent; None unless this version made it for the same scope."""
        try:
            if len(text) > MAX_CURSOR_LENGTH:
                return None
            data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
            version, since, sent_scope = HEAD.unpack_from(data)
            digests = dict(ENTRY.iter_unpack(data[HEAD.size :]))
        except (ValueError, struct.error):
            return None
        return cls(since, scope, digests) if version == VERSION and sent_scope == _scope_digest(scope) else None

    def __str__(self) -> str:
        """Return the text that a client sends back: at most MAX_CURSOR_LENGTH characters, all allowed in a query."""
        head = HEAD.pack(VERSION, self.since, _scope_digest(self.scope))
        entries = (ENTRY.pack(bucket, digest) for bucket, digest in sorted(self.digests.items()))
        return urlsafe_b64encode(head + b"".join(entries)).rstrip(b"=").decode()

    def is_valid(self, moment: float) -> bool:
        """Return whether every change since this cursor is still known; False also after the clock was set back."""
        return moment - MAX_AGE_SECONDS <= self.since <= moment

    def changes(self, updates: Iterable[Update]) -> list[Update]:
        """Return the updates that the holder of this cursor may not have seen, of all those since its start."""
        found = list(updates)
        changed = {bucket for bucket, digest in _digests(found).items() if digest != self.digests.get(bucket)}
        return [update for update in found if _bucket(update.job_id) in changed]


def _digests(updates: Iterable[Update]) -> dict[int, bytes]:
    """Return the digest of each bucket that is not empty; the order of the updates does not matter."""
    sums: dict[int, int] = {}
    for update in updates:
        text = f"{update.job_id} {update.at!r} {update.deleted:d}"
        number = int.from_bytes(blake2b(text.encode(), digest_size=DIGEST_BYTES).digest())
        bucket = _bucket(update.job_id)
        sums[bucket] = sums.get(bucket, 0) ^ number
    return {bucket: number.to_bytes(DIGEST_BYTES) for bucket, number in sums.items()}


def _bucket(job_id: str) -> int:
    return zlib.crc32(job_id.encode()) % BUCKETS


def _scope_digest(scope: str | None) -> bytes:
    return blake2b(b"" if scope is None else b"user " + scope.encode(), digest_size=4).digest()
