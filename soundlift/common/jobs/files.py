"""The queries that compare the rows of jobs with the files in the media store, in batches of bounded size."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlalchemy as sa

from soundlift.common.db.engine import Database
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.conditions import job_columns, job_from_row
from soundlift.common.jobs.model import Job

PAGE = 500
# The columns that name the files of each bucket of the store.
COLUMNS = {"videos": table.c.video_fid, "mp3s": table.c.mp3_fid}


def pages_of_jobs(database: Database) -> Iterator[list[Job]]:
    """Yield all jobs, at most PAGE at a time, in the order of their ids; raises DatabaseUnavailable."""
    last = ""
    while True:
        query = sa.select(*job_columns).where(table.c.id > last).order_by(table.c.id).limit(PAGE)
        with database.read() as connection:
            rows = connection.execute(force_index(query, table, "PRIMARY")).all()
        if rows:
            yield [job_from_row(row) for row in rows]
        if len(rows) < PAGE:
            return
        last = rows[-1].id


def jobs_of_files(database: Database, bucket: str, fids: Collection[str]) -> dict[str, Job]:
    """Return those of these files of a bucket that a row names, each with its job; raises DatabaseUnavailable."""
    column = COLUMNS[bucket]
    query = sa.select(*job_columns).where(column.in_(fids))
    with database.read() as connection:
        jobs = [job_from_row(row) for row in connection.execute(query)]
    named = "video_fid" if bucket == "videos" else "mp3_fid"
    return {getattr(job, named): job for job in jobs}
