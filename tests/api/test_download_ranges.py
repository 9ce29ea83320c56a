"""download: ranges and conditional requests."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import Job
from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.jobs import ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

MP3 = bytes(range(256)) * 4096


@pytest.fixture
def job(services: Services) -> Job:
    return ready_job(services, MP3)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=300000-", 300000, len(MP3) - 1),
        ("bytes=-10", len(MP3) - 10, len(MP3) - 1),
        ("bytes=-99999999", 0, len(MP3) - 1),
        ("bytes=10-99999999", 10, len(MP3) - 1),
    ],
)
def test_a_range_is_answered_with_exactly_its_bytes(
    function: Call, services: Services, job: Job, asked: str, first: int, last: int
) -> None:
    response = function("download").get(f"/?fid={job.mp3_fid}", headers={**bearer(services), "Range": asked})
    assert (response.status_code, response.data) == (206, MP3[first : last + 1])
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(MP3)}"
    assert response.headers["Content-Length"] == str(last + 1 - first)


def test_a_range_beyond_the_end_is_not_satisfiable(function: Call, services: Services, job: Job) -> None:
    headers = {**bearer(services), "Range": f"bytes={len(MP3)}-"}
    response = function("download").get(f"/?fid={job.mp3_fid}", headers=headers)
    assert_problem(response, 416)
    assert response.headers["Content-Range"] == f"bytes */{len(MP3)}"


def test_an_mp3_with_a_known_etag_is_not_sent_again(function: Call, services: Services, job: Job) -> None:
    headers = {**bearer(services), "If-None-Match": f'"{job.mp3_fid}"'}
    response = function("download").get(f"/?fid={job.mp3_fid}", headers=headers)
    assert (response.status_code, response.data) == (304, b"")


def test_a_failed_precondition_is_answered_with_a_problem_document(
    function: Call, services: Services, job: Job
) -> None:
    headers = {**bearer(services), "If-Match": '"another"'}
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}", headers=headers), 412)
    headers["If-Match"] = f'"another", "{job.mp3_fid}"'
    assert function("download").get(f"/?fid={job.mp3_fid}", headers=headers).data == MP3


def test_last_modified_is_the_time_of_the_conversion(function: Call, services: Services, job: Job) -> None:
    with services.database.write() as connection:
        connection.execute(sa.update(table).values(created_at=1e9, changed_at=1.1e9))
    url, headers = f"/?fid={job.mp3_fid}", bearer(services)
    response = function("download").get(url, headers=headers)
    assert response.last_modified == datetime.fromtimestamp(1.1e9, UTC)
    since = {"If-Modified-Since": response.headers["Last-Modified"]}
    assert function("download").get(url, headers={**headers, **since}).status_code == 304


@pytest.mark.parametrize(("known", "status"), [(True, 206), (False, 200)])
def test_a_range_of_another_version_is_answered_with_the_complete_mp3(
    function: Call, services: Services, job: Job, known: bool, status: int
) -> None:
    etag = f'"{job.mp3_fid}"' if known else '"another"'
    headers = {**bearer(services), "Range": "bytes=0-9", "If-Range": etag}
    assert function("download").get(f"/?fid={job.mp3_fid}", headers=headers).status_code == status
