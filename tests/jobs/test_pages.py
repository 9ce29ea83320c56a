"""The list of jobs, page by page: each job once, newest first."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from soundlift.common.db.tables import jobs as table
from soundlift.common.services import Services
from tests.factories.jobs import age, queued_job

ADA = "ada@example.org"


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_have_each_job_once_though_many_were_created_in_the_same_instant(services: Services, limit: int) -> None:
    oldest, *middle, newest = [queued_job(services) for _ in range(7)]
    same_time = sa.update(table).where(table.c.id.in_([job.id for job in middle]))
    with services.database.write() as connection:
        connection.execute(same_time.values(created_at=middle[0].created_at))
    age(services, oldest, 60, "created_at")
    age(services, newest, -60, "created_at")
    seen: list[str] = []
    while page := services.jobs.page(ADA, after=seen[-1] if seen else None, limit=limit):
        seen += [job.id for job in page]
        assert len(seen) <= 7
    assert seen == [newest.id, *sorted((job.id for job in middle), reverse=True), oldest.id]
