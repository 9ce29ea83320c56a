"""download: the content and headers of an MP3."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import BinaryIO, cast

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from werkzeug.http import parse_options_header

from functions.download.audio_response import BLOCK_BYTES
from functions.download.handler import download
from soundlift.common.jobs.model import AudioDescription, Job
from soundlift.common.media import MediaReader
from soundlift.common.services import Services
from soundlift.common.web.application import http_function
from tests.factories.accounts import bearer
from tests.factories.jobs import ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

MP3 = bytes(range(256)) * 4096


@pytest.fixture
def job(services: Services) -> Job:
    return ready_job(services, MP3)


def test_the_owner_downloads_the_complete_mp3(function: Call, services: Services, job: Job) -> None:
    response = function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services))
    assert (response.status_code, response.data) == (200, MP3)
    assert response.headers["Content-Type"] == "audio/mpeg"
    assert response.headers["Content-Length"] == str(len(MP3))
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["ETag"] == f'"{job.mp3_fid}"'
    assert "Last-Modified" in response.headers


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("mp3", "audio/mpeg"),
        ("m4a", "audio/mp4"),
        ("opus", "audio/ogg"),
        ("ogg", "audio/ogg"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
        ("ac3", "audio/ac3"),
        ("eac3", "audio/eac3"),
        ("dts", "audio/vnd.dts"),
        ("m4b", "application/octet-stream"),
    ],
)
def test_a_file_has_the_suffix_and_the_media_type_of_its_format(
    function: Call, services: Services, name: str, media_type: str
) -> None:
    job = ready_job(services, MP3, name="talk.mp4", audio=AudioDescription(format=name))
    for asked, status in (({}, 200), ({"Range": "bytes=5-9"}, 206)):
        response = function("download").get(f"/?job={job.id}", headers=bearer(services) | asked)
        assert (response.status_code, response.headers["Content-Type"]) == (status, media_type)
        assert response.headers["Content-Disposition"] == f'attachment; filename="talk.{name}"'


def test_an_mp3_can_be_requested_by_the_id_of_its_job(function: Call, services: Services, job: Job) -> None:
    assert function("download").get(f"/?job={job.id}", headers=bearer(services)).data == MP3


def test_head_returns_the_same_headers_without_the_body(function: Call, services: Services, job: Job) -> None:
    url = f"/?fid={job.mp3_fid}"
    head = function("download").head(url, headers=bearer(services))
    get = function("download").get(url, headers=bearer(services))
    assert (head.status_code, head.data) == (200, b"")
    assert {**head.headers, "Date": ""} == {**get.headers, "Date": ""}


@pytest.mark.parametrize("range_header", [{}, {"Range": "bytes=5-9"}])
def test_a_finished_download_frees_its_place(services: Services, job: Job, range_header: dict[str, str]) -> None:
    services.settings = replace(services.settings, threads=1)
    client = http_function(download, methods=["GET"], services=services).test_client()
    url, headers = f"/?fid={job.mp3_fid}", {**bearer(services), **range_header}
    for _ in range(3):
        with client.get(url, headers=headers) as answer:
            assert answer.status_code in (200, 206)


def test_a_download_in_progress_counts_as_a_concurrent_request(services: Services, job: Job) -> None:
    services.settings = replace(services.settings, threads=1)
    client = http_function(download, methods=["GET"], services=services).test_client()
    with client.get(f"/?fid={job.mp3_fid}", headers=bearer(services)):
        assert_problem(client.get("/", headers=bearer(services)), 429)


@pytest.mark.parametrize("asked", [{}, {"Range": "bytes=0-9"}, {"If-None-Match": "*"}])
def test_caches_must_not_share_an_mp3_and_browsers_must_not_sniff_its_type(
    function: Call, services: Services, job: Job, asked: dict[str, str]
) -> None:
    token = services.tokens.download_link(str(job.mp3_fid))
    url = f"/?fid={job.mp3_fid}"
    for request in ({"path": url, "headers": {**bearer(services), **asked}}, {"path": f"{url}&token={token}"}):
        headers = function("download").get(**request).headers
        assert set(headers["Cache-Control"].split(", ")) == {"private", "max-age=0", "must-revalidate"}
        assert headers["X-Content-Type-Options"] == "nosniff"


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
def test_every_response_closes_its_file(
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


@pytest.mark.parametrize(("range_header", "first"), [({}, 0), ({"Range": "bytes=1000-"}, 1000)])
def test_an_mp3_is_read_in_blocks(
    function: Call,
    services: Services,
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
    range_header: dict[str, str],
    first: int,
) -> None:
    sizes: list[int | None] = []
    open_file = services.mp3s.open

    class RecordingFile(io.FileIO):
        """A file that records the size of each read."""

        def read(self, size: int | None = -1, /) -> bytes:
            sizes.append(size)
            return super().read(size) or b""

    def record(fid: str) -> MediaReader:
        reader = open_file(fid)
        with reader.file as file:
            return MediaReader(reader.size, cast(BinaryIO, RecordingFile(file.name)))

    monkeypatch.setattr(services.mp3s, "open", record)
    response = function("download").get(f"/?fid={job.mp3_fid}", headers={**bearer(services), **range_header})
    assert response.data == MP3[first:]
    assert set(sizes) == {BLOCK_BYTES}


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
def test_the_mp3_is_named_after_the_video(function: Call, services: Services, video: str, mp3: str) -> None:
    job = ready_job(services, name=video)
    response = function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services))
    header = response.headers["Content-Disposition"]
    disposition, options = parse_options_header(header)
    assert (disposition, options["filename"]) == ("attachment", mp3)
    for_curl = header.encode("latin-1").decode().split('"')[1]
    assert for_curl == mp3.replace('"', "_")
    assert ("filename*=" in header) == (for_curl != mp3 or not mp3.isascii())


def test_the_log_line_of_a_download_has_its_job_id(function: Call, services: Services, job: Job) -> None:
    with capture_logs([merge_contextvars]) as logs:
        function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services))
    assert [line["job_id"] for line in logs if line["event"] == "request"] == [job.id]


def test_an_unavailable_store_is_answered_503(function: Call, services: Services, job: Job) -> None:
    media = services.settings.soundlift_data / "media"
    media.rename(media.with_name("away"))
    media.write_text("")
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services)), 503)
