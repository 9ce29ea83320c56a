"""The rows that say how much of each import is stored, inside the transactions of others.

They are in the table of resumable uploads, each with the id of its job, and belong to no user, so that no client can
continue one as an upload. Each claim raises the epoch, so an earlier worker can never write again, though all attempts
that continue a file write the same one.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.tables import resumable_uploads as table
from soundlift.common.errors import UploadSuperseded
from soundlift.common.jobs.model import GIVE_UP_SECONDS, ImportClaim, StoredPart

NOBODY = ""
NOTHING: dict[str, Any] = {"received": 0, "state": None, "length": None, "metadata": "{}"}


def take_part(connection: Connection, job_id: str, fid: str) -> tuple[int, StoredPart | None]:
    """Raise the epoch of an import; return it and what is stored as this file, if another attempt can continue that."""
    mine = table.c.id == job_id
    if connection.scalar(sa.select(table.c.id).where(mine)) is None:
        new = {"id": job_id, "username": NOBODY, "epoch": 0, "expires_at": now() + GIVE_UP_SECONDS, **NOTHING}
        connection.execute(sa.insert(table).values(new))
    connection.execute(sa.update(table).where(mine).values(epoch=table.c.epoch + 1))
    row = connection.execute(sa.select(table).where(mine)).one()
    return row.epoch, _part(row, fid)


def save_part(connection: Connection, claim: ImportClaim, part: StoredPart) -> None:
    """Record what is stored; raises UploadSuperseded if the import has ended, or a later attempt has begun."""
    about = {**asdict(part), "fid": claim.video_fid}
    values = {name: about.pop(name) for name in ("received", "length")}
    state = about.pop("state").encode()
    mine = table.c.id == claim.job_id, table.c.epoch == claim.epoch
    update = sa.update(table).where(*mine).values(**values, state=state, metadata=json.dumps(about))
    if not connection.execute(update).rowcount:
        raise UploadSuperseded


def forget_part(connection: Connection, job_id: str) -> None:
    """Record that nothing is stored of an import. The epoch stays."""
    connection.execute(sa.update(table).where(table.c.id == job_id).values(NOTHING))


def delete_part(connection: Connection, job_id: str) -> None:
    """Delete the row of an import that ends."""
    connection.execute(sa.delete(table).where(table.c.id == job_id, table.c.username == NOBODY))


def _part(row: sa.Row[Any], fid: str) -> StoredPart | None:
    about = json.loads(row.metadata)
    if row.state is None or about.pop("fid") != fid:  # a worker of an older release begins a new file
        return None
    part = StoredPart(received=row.received, state=row.state.decode(), length=row.length, **about)
    return part if part.received and part.validator else None
