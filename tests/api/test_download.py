"""download: an MP3, whole or in ranges, for its owner or by the mail's link."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO, cast

import pytest
import sqlalchemy as sa
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from werkzeug.http import parse_options_header

from functions.download.handler import BLOCK_BYTES, download
from soundlift.common.auth.tokens import Tokens
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import Job
from soundlift.common.media import MediaReader
from soundlift.common.services import Services
from soundlift.common.web.application import http_function
from tests.factories.accounts import SECRET, bearer
from tests.factories.jobs import age, claimed_job, failed_job, notified_job, queued_job, ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

MP3 = bytes(range(256)) * 4096


@pytest.fixture
def job(services: Services) -> Job:
    return ready_job(services, MP3)


def test_the_owner_gets_the_whole_mp3(function: Call, services: Services, job: Job) -> None:
    response = function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services))
    assert (response.status_code, response.data) == (200, MP3)
    assert response.headers["Content-Type"] == "audio/mpeg"
    assert response.headers["Content-Length"] == str(len(MP3))
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["ETag"] == f'"{job.mp3_fid}"'
    assert "Last-Modified" in response.headers


def test_a_job_s_id_will_do_instead_of_the_mp3_s(function: Call, services: Services, job: Job) -> None:
    assert function("download").get(f"/?job={job.id}", headers=bearer(services)).data == MP3


def test_head_tells_the_same_without_the_body(function: Call, services: Services, job: Job) -> None:
    url = f"/?fid={job.mp3_fid}"
    head = function("download").head(url, headers=bearer(services))
    get = function("download").get(url, headers=bearer(services))
    assert (head.status_code, head.data) == (200, b"")
    assert {**head.headers, "Date": ""} == {**get.headers, "Date": ""}


@pytest.mark.parametrize("wanted", [{}, {"Range": "bytes=5-9"}])
def test_a_download_gives_its_place_back_at_its_end(services: Services, job: Job, wanted: dict[str, str]) -> None:
    services.settings = replace(services.settings, threads=1)
    client = http_function(download, methods=["GET"], services=services).test_client()
    url, headers = f"/?fid={job.mp3_fid}", {**bearer(services), **wanted}
    for _ in range(3):
        with client.get(url, headers=headers) as answer:
            assert answer.status_code in (200, 206)


def test_a_download_under_way_holds_its_place(services: Services, job: Job) -> None:
    services.settings = replace(services.settings, threads=1)
    client = http_function(download, methods=["GET"], services=services).test_client()
    with client.get(f"/?fid={job.mp3_fid}", headers=bearer(services)):
        assert_problem(client.get("/", headers=bearer(services)), 429)


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
def test_a_range_is_answered_with_just_its_bytes(
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


def test_a_known_etag_is_not_sent_again(function: Call, services: Services, job: Job) -> None:
    headers = {**bearer(services), "If-None-Match": f'"{job.mp3_fid}"'}
    response = function("download").get(f"/?fid={job.mp3_fid}", headers=headers)
    assert (response.status_code, response.data) == (304, b"")


@pytest.mark.parametrize("asked", [{}, {"Range": "bytes=0-9"}, {"If-None-Match": "*"}])
def test_no_cache_between_keeps_an_mp3_and_no_browser_takes_it_for_another_type(
    function: Call, services: Services, job: Job, asked: dict[str, str]
) -> None:
    token = services.tokens.download_link(str(job.mp3_fid))
    url = f"/?fid={job.mp3_fid}"
    for way in ({"path": url, "headers": {**bearer(services), **asked}}, {"path": f"{url}&token={token}"}):
        headers = function("download").get(**way).headers
        assert set(headers["Cache-Control"].split(", ")) == {"private", "max-age=0", "must-revalidate"}
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_condition_that_does_not_hold_is_a_problem(function: Call, services: Services, job: Job) -> None:
    headers = {**bearer(services), "If-Match": '"another"'}
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}", headers=headers), 412)
    headers["If-Match"] = f'"another", "{job.mp3_fid}"'
    assert function("download").get(f"/?fid={job.mp3_fid}", headers=headers).data == MP3


def test_an_mp3_is_as_old_as_it_is_and_not_as_its_upload(function: Call, services: Services, job: Job) -> None:
    with services.database.write() as connection:
        connection.execute(sa.update(table).values(created_at=1e9, changed_at=1.1e9))
    url, headers = f"/?fid={job.mp3_fid}", bearer(services)
    response = function("download").get(url, headers=headers)
    assert response.last_modified == datetime.fromtimestamp(1.1e9, UTC)
    since = {"If-Modified-Since": response.headers["Last-Modified"]}
    assert function("download").get(url, headers={**headers, **since}).status_code == 304


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 200),
        ({"Range": "bytes=5-9"}, 206),
        ({"Range": "bytes=99999999-"}, 416),
        ({"If-None-Match": "*"}, 304),
        ({"If-Match": '"another"'}, 412),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_answer_closes_its_mp3(
    function: Call,
    services: Services,
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, str],
    status: int,
    method: str,
) -> None:
    readers: list[MediaReader] = []
    open_file = services.mp3s.open

    def record(fid: str) -> MediaReader:
        readers.append(open_file(fid))
        return readers[-1]

    monkeypatch.setattr(services.mp3s, "open", record)
    headers = {**bearer(services), **asked}
    assert function("download").open(f"/?fid={job.mp3_fid}", method=method, headers=headers).status_code == status
    assert [reader.file.closed for reader in readers] == [True]


@pytest.mark.parametrize(("wanted", "first"), [({}, 0), ({"Range": "bytes=1000-"}, 1000)])
def test_an_mp3_is_read_block_by_block(
    function: Call,
    services: Services,
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
    wanted: dict[str, str],
    first: int,
) -> None:
    asked: list[int | None] = []
    open_file = services.mp3s.open

    class Watched(io.FileIO):
        """A file that knows how many bytes it was asked for, each time."""

        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(size)
            return super().read(size) or b""

    def watch(fid: str) -> MediaReader:
        reader = open_file(fid)
        with reader.file as file:
            return MediaReader(reader.size, cast(BinaryIO, Watched(file.name)))

    monkeypatch.setattr(services.mp3s, "open", watch)
    response = function("download").get(f"/?fid={job.mp3_fid}", headers={**bearer(services), **wanted})
    assert response.data == MP3[first:]
    assert set(asked) == {BLOCK_BYTES}


@pytest.mark.parametrize(("known", "status"), [(True, 206), (False, 200)])
def test_a_range_of_another_version_is_answered_whole(
    function: Call, services: Services, job: Job, known: bool, status: int
) -> None:
    etag = f'"{job.mp3_fid}"' if known else '"another"'
    headers = {**bearer(services), "Range": "bytes=0-9", "If-Range": etag}
    assert function("download").get(f"/?fid={job.mp3_fid}", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("video", "mp3"),
    [
        ("holiday.mp4", "holiday.mp3"),
        ("Ünïcode 🎵.mp4", "Ünïcode 🎵.mp3"),
        ('say "hi".mov', 'say "hi".mp3'),
        ("a.b.c.mkv", "a.b.c.mp3"),
        ("no suffix", "no suffix.mp3"),
        ("longest.abcde", "longest.mp3"),
        ("too long.abcdef", "too long.abcdef.mp3"),
        ("talk 1. and 2", "talk 1. and 2.mp3"),
        (".mp4", ".mp4.mp3"),
        ("音.mp4", "音.mp3"),
    ],
)
def test_the_mp3_is_saved_under_the_video_s_name(function: Call, services: Services, video: str, mp3: str) -> None:
    job = ready_job(services, name=video)
    response = function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services))
    header = response.headers["Content-Disposition"]
    disposition, options = parse_options_header(header)
    assert (disposition, options["filename"]) == ("attachment", mp3)
    for_curl = header.encode("latin-1").decode().split('"')[1]
    assert for_curl == mp3.replace('"', "_")
    assert ("filename*=" in header) == (for_curl != mp3 or not mp3.isascii())


def test_the_log_names_the_job_of_a_download(function: Call, services: Services, job: Job) -> None:
    with capture_logs([merge_contextvars]) as logs:
        function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services))
    assert [line["job_id"] for line in logs if line["event"] == "request"] == [job.id]


def test_no_id_is_refused(function: Call, services: Services) -> None:
    response = function("download").get("/", headers=bearer(services))
    assert_problem(response, 400)
    assert response.json["detail"] == "fid is required"


def test_nobody_downloads_without_a_token_or_a_link(function: Call, job: Job) -> None:
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}"), 401, "Not Authorized")


def test_an_unknown_mp3_and_another_s_are_equally_not_there(function: Call, services: Services, job: Job) -> None:
    unknown = function("download").get(f"/?fid={'f' * 24}", headers=bearer(services))
    foreign = function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services, "bob@example.org"))
    foreign_job = function("download").get(f"/?job={job.id}", headers=bearer(services, "bob@example.org"))
    for response in (unknown, foreign, foreign_job):
        assert_problem(response, 404)
        assert response.json == unknown.json


def test_an_admin_downloads_anybody_s(function: Call, services: Services, job: Job) -> None:
    headers = bearer(services, "root@example.org", admin=True)
    assert function("download").get(f"/?fid={job.mp3_fid}", headers=headers).status_code == 200


def test_a_job_that_has_no_mp3_is_not_ready(function: Call, services: Services) -> None:
    for job in (queued_job(services), claimed_job(services)[0], failed_job(services)):
        assert_problem(function("download").get(f"/?job={job.id}", headers=bearer(services)), 409)


def test_an_mp3_being_written_is_not_ready(function: Call, services: Services) -> None:
    _, claim = claimed_job(services)
    assert_problem(function("download").get(f"/?fid={claim.mp3_fid}", headers=bearer(services)), 409)


def test_an_expired_mp3_is_gone(function: Call, services: Services) -> None:
    job = notified_job(services)
    age(services, job, services.settings.retention_seconds + 1)
    assert function("cleanup").post("/").json["expired"] == 1
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services)), 410)


def test_a_deleted_mp3_is_not_there(function: Call, services: Services, job: Job) -> None:
    token = services.tokens.download_link(str(job.mp3_fid))
    services.jobs.delete(job.id)
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services)), 404)
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}&token={token}"), 404)


def test_the_mail_s_link_opens_its_mp3_without_a_login(function: Call, services: Services, job: Job) -> None:
    token = services.tokens.download_link(str(job.mp3_fid))
    assert function("download").get(f"/?fid={job.mp3_fid}&token={token}").data == MP3


def test_a_link_opens_no_other_mp3_and_needs_its_id(function: Call, services: Services, job: Job) -> None:
    other = ready_job(services, b"other")
    token = services.tokens.download_link(str(job.mp3_fid))
    assert_problem(function("download").get(f"/?fid={other.mp3_fid}&token={token}"), 401)
    without = function("download").get(f"/?token={token}")
    assert_problem(without, 400)
    assert without.json["detail"] == "fid is required"


def test_an_expired_link_opens_nothing(function: Call, services: Services, job: Job) -> None:
    past = Tokens(SECRET, sign_in_seconds=1, link_seconds=-1)
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}&token={past.download_link(str(job.mp3_fid))}"), 401)


def test_a_link_is_no_sign_in_and_a_sign_in_is_no_link(function: Call, services: Services, job: Job) -> None:
    link, sign_in = (
        services.tokens.download_link(str(job.mp3_fid)),
        services.tokens.sign_in("ada@example.org", admin=True),
    )
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}", headers={"Authorization": f"Bearer {link}"}), 401)
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}&token={sign_in}"), 401)


def test_a_store_that_is_away_is_503(function: Call, services: Services, job: Job) -> None:
    media = services.settings.soundlift_data / "media"
    media.rename(media.with_name("away"))
    media.write_text("")
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services)), 503)
