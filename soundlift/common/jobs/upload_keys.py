"""The rows of the keys that clients give their uploads, inside the transactions of others.

See keyed_uploads.py for the steps.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.tables import upload_keys as table
from soundlift.common.errors import UploadInProgress


@dataclass(frozen=True)
class UploadKey:
    """A user's key of one upload; `fingerprint` is the same for the same upload, and None in a request without one."""

    username: str
    text: str
    fingerprint: str | None = None

    def of_content(self, *content: Any) -> Self:
        """Return this key with the fingerprint of an upload, from JSON values that describe it."""
        return replace(self, fingerprint=hashlib.sha256(json.dumps(content).encode()).hexdigest())

    @property
    def id(self) -> str:
        """Return the id of the row. A user's name contains no line break, so no two pairs are the same text."""
        return hashlib.sha256(f"{self.username}\n{self.text}".encode()).hexdigest()


def insert_key(connection: Connection, key: UploadKey, job_id: str | None) -> None:
    """Insert the row of a key, for the job that its upload makes; raises UploadInProgress if there is one."""
    row = {"id": key.id, "username": key.username, "fingerprint": key.fingerprint, "job": job_id, "created_at": now()}
    try:
        connection.execute(sa.insert(table).values(row))
    except sa.exc.IntegrityError:
        raise UploadInProgress from None


def forget_key(connection: Connection, job_id: str) -> None:
    """Delete the row of the key of a job, if it has one."""
    connection.execute(sa.delete(table).where(table.c.job == job_id))
