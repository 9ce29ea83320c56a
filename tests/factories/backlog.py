"""Queued jobs in any number, written as rows, because so many uploads would take minutes."""

from __future__ import annotations

import time

import sqlalchemy as sa

from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import State
from soundlift.common.services import Services


def queue_many(services: Services, count: int, email: str = "ada@example.org") -> None:
    """Insert queued jobs of one user, with the turns that they would have got."""
    now = time.time()
    common = {
        "username": email,
        "state": State.QUEUED,
        "file_name": "a.mp4",
        "content_type": "video/mp4",
        "created_at": now,
        "updated_at": now,
        "resend_at": now + 600,
    }
    ids = [f"{number:024x}" for number in range(1, count + 1)]
    rows = [
        {**common, "id": job_id, "video_fid": job_id, "changed_at": now + number / count, "turn": number}
        for number, job_id in enumerate(ids, start=1)
    ]
    with services.database.write() as connection:
        connection.execute(sa.insert(table), rows)
