"""download: several MP3s as one ZIP file."""

from __future__ import annotations

import io
import json
import re
import socket
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED, ZipFile

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from functions.download.archive import unique_names
from functions.download.audio_response import BLOCK_BYTES
from functions.download.handler import MAX_LIST_BYTES
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import MAX_ARCHIVE_JOBS, MAX_POSTED_JOBS, AudioDescription, Job, State
from soundlift.common.services import Services
from tests.api.function_server import served
from tests.factories.accounts import bearer
from tests.factories.jobs import age, claimed_job, failed_job, job_now, notified_job, queued_job, ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

SOUND = bytes(range(256)) * 4096


def get(function: Call, services: Services, *jobs: Job, method: str = "GET") -> TestResponse:
    url = f"/?jobs={','.join(job.id for job in jobs)}"
    return function("download").open(url, method=method, headers=bearer(services))


def mp3_file(services: Services, job: Job) -> Path:
    (file,) = (services.settings.soundlift_data / "media" / "mp3s").rglob(f"*{job.mp3_fid}*")
    return file


def post(function: Call, services: Services, *job_ids: str) -> TestResponse:
    return function("download").post("/", json={"jobs": job_ids}, headers=bearer(services))


def without_ids(problem: TestResponse) -> str:
    return re.sub("[0-9a-f]{24}", "ID", problem.text)


def test_a_zip_file_has_every_mp3_unchanged_and_exactly_the_announced_length(
    function: Call, services: Services
) -> None:
    jobs = [ready_job(services, SOUND[:size], name=f"{size}.mp4") for size in (1, 1000, len(SOUND))]
    response = get(function, services, *jobs)
    assert (response.status_code, response.content_type) == (200, "application/zip")
    assert response.headers["Content-Length"] == str(len(response.data))
    assert response.headers["Content-Disposition"] == 'attachment; filename="soundlift.zip"'
    assert set(response.headers["Cache-Control"].split(", ")) == {"private", "no-store"}
    assert response.headers["Accept-Ranges"] == "none"
    with ZipFile(io.BytesIO(response.data)) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {ZIP_STORED}
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"{size}.mp3": SOUND[:size] for size in (1, 1000, len(SOUND))
        }


def test_head_announces_the_length_without_reading_an_mp3_to_its_end(function: Call, services: Services) -> None:
    jobs = [ready_job(services, SOUND) for _ in range(2)]
    head, full = get(function, services, *jobs, method="HEAD"), get(function, services, *jobs)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == full.headers["Content-Length"]


def test_each_job_is_in_the_file_once(function: Call, services: Services) -> None:
    job = ready_job(services)
    with ZipFile(io.BytesIO(get(function, services, job, job, job).data)) as archive:
        assert archive.namelist() == ["a.mp3"]


HOSTILE_NAMES = [
    "../../etc/passwd.mp4",
    "..",
    "...mp4",
    "C:\\Windows\\x.mp4",
    "a/b.mp4",
    "a\x00\n\x1b[31m.mp4",
    "\u202egpj.mp4",
    'say "hi"?*|<>.mov',
    " .mp4",
    "CON.mp4",
    "nul",
    "Com1.tar.mp4",
    "aux .mp4",
    "音🎵.mp4",
    "🎵" * 200,
    "." * 100 + "🎵" * 49 + "... .mp4",
]
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_in_a_zip_file_leads_to_no_other_folder_and_is_valid_everywhere(services: Services, name: str) -> None:
    job = replace(queued_job(services), file_name=name)
    (safe,) = unique_names([job])
    assert safe.endswith(".mp3")
    assert len(safe) > len(".mp3")
    assert not set(safe) & set('/\\<>:"|?*')
    assert safe.isprintable()
    stem = safe.removesuffix(".mp3")
    assert stem.strip(" .") == stem
    assert safe.partition(".")[0].strip().lower() not in DEVICES
    assert len(safe.encode()) <= 255 - len(" (100)")


def test_names_are_different_even_where_case_and_accents_do_not_matter(services: Services) -> None:
    job = queued_job(services)
    videos = ["a.mp4", "A.mkv", "a.mov", "a (2).mp4", "\u00e9.mp4", "e\u0301.mp4", "a/b.mp4", "a:b.mp4"]
    names = unique_names([replace(job, file_name=name) for name in videos])
    assert names == [
        "a.mp3",
        "A (2).mp3",
        "a (3).mp3",
        "a (2) (2).mp3",
        "é.mp3",
        "e\u0301 (2).mp3",
        "a_b.mp3",
        "a_b (2).mp3",
    ]


def test_a_thousand_equal_names_take_no_longer_than_different_ones(services: Services) -> None:
    job = queued_job(services)
    jobs = [replace(job, file_name="\ufdfa" * 60 + ".mp4")] * MAX_POSTED_JOBS  # a ligature of 18 letters
    started_at = time.process_time()
    assert len({*unique_names(jobs)}) == MAX_POSTED_JOBS
    assert time.process_time() - started_at < 1


def test_names_have_the_suffixes_of_their_formats(services: Services) -> None:
    job = queued_job(services)
    sounds = [("a.mp4", "m4a"), ("a.mkv", "flac"), ("A.m4a", "m4a"), ("b.mp3", "opus"), ("c.mp4", "newer")]
    jobs = [replace(job, file_name=name, audio=AudioDescription(format=kind)) for name, kind in sounds]
    assert unique_names(jobs) == ["a.m4a", "a.flac", "A (2).m4a", "b.opus", "c.newer"]


def test_names_beyond_ascii_are_marked_as_utf_8(function: Call, services: Services) -> None:
    response = get(function, services, ready_job(services, name="音🎵.mp4"), ready_job(services, name="b.mp4"))
    with ZipFile(io.BytesIO(response.data)) as archive:
        assert archive.namelist() == ["音🎵.mp3", "b.mp3"]
        assert [bool(info.flag_bits & 0x800) for info in archive.infolist()] == [True, False]


def test_only_ready_jobs_that_the_user_may_see_can_be_downloaded(function: Call, services: Services) -> None:
    ready, expired = ready_job(services), notified_job(services)
    age(services, expired, services.settings.retention_seconds + 1)
    function("cleanup").post("/")
    assert job_now(services, expired.id).state == State.EXPIRED
    for job in (queued_job(services), claimed_job(services)[0], failed_job(services)):
        assert_problem(get(function, services, ready, job), 409)
    assert_problem(get(function, services, ready, expired), 410)
    foreign = get(function, services, ready, ready_job(services, email="bob@example.org"))
    unknown = get(function, services, ready, replace(ready, id="f" * 24))
    for answer in (foreign, unknown):
        assert_problem(answer, 404)
    assert without_ids(foreign) == without_ids(unknown)
    assert_problem(function("download").get(f"/?jobs={ready.id}"), 401)


def test_a_body_names_more_jobs_than_a_url_can(function: Call, services: Services) -> None:
    jobs = [ready_job(services, b"%d" % number) for number in range(MAX_ARCHIVE_JOBS + 1)]
    ids = [job.id for job in jobs]
    response = post(function, services, *ids, ids[0])
    assert (response.status_code, response.content_type) == (200, "application/zip")
    assert response.headers["Content-Length"] == str(len(response.data))
    with ZipFile(io.BytesIO(response.data)) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [b"%d" % number for number in range(len(ids))]
        assert archive.namelist()[:2] == ["a.mp3", "a (2).mp3"]


def test_a_body_names_only_ready_jobs_that_the_user_may_see(function: Call, services: Services) -> None:
    ready, queued = ready_job(services), queued_job(services)
    foreign = ready_job(services, email="bob@example.org")
    refusal = post(function, services, ready.id, queued.id)
    assert_problem(refusal, 409, code="not_ready")
    assert queued.id in refusal.json["detail"]
    refusals = [post(function, services, ready.id, other) for other in (foreign.id, "f" * 24)]
    for each in refusals:
        assert_problem(each, 404)
    assert without_ids(refusals[0]) == without_ids(refusals[1])
    token = services.tokens.archive_link([ready.id])
    for address in ("/", f"/?token={token}", f"/?jobs={ready.id}&token={token}"):
        assert_problem(function("download").post(address, json={"jobs": [ready.id]}), 401)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"jobs=" + b"0" * 24,
        b'["' + b"0" * 24 + b'"]',
        b'{"jobs": "' + b"0" * 24 + b'"}',
        b'{"jobs": []}',
        b'{"jobs": [[]]}',
        b'{"jobs": ["\\ud800"]}',
        b"[" * 60_000,
        json.dumps({"jobs": ["0" * 24] * (MAX_POSTED_JOBS + 1)}).encode(),
    ],
)
def test_a_body_without_a_list_of_job_ids_is_rejected(function: Call, services: Services, body: bytes) -> None:
    assert_problem(function("download").post("/", data=body, headers=bearer(services)), 400)


def test_a_body_is_limited_to_what_the_longest_list_needs(function: Call, services: Services) -> None:
    longest = json.dumps({"jobs": [f"{number:024x}" for number in range(MAX_POSTED_JOBS)]}, indent=4)
    for body, status in ((longest, 404), (longest + " " * MAX_LIST_BYTES, 413)):
        assert_problem(function("download").post("/", data=body, headers=bearer(services)), status)


def test_a_form_of_another_page_downloads_nothing(function: Call, services: Services) -> None:
    body = json.dumps({"jobs": [ready_job(services).id]})
    form = {"Origin": "https://evil.example.org", "Content-Type": "text/plain", "Cookie": "soundlift=any"}
    assert_problem(function("download").post("/", data=body, headers=form), 401)


@pytest.mark.parametrize("text", ["", "x", ",", "../x", "é", ",".join(f"{number:024x}" for number in range(101))])
def test_a_malformed_list_of_jobs_is_rejected(function: Call, services: Services, text: str) -> None:
    assert_problem(function("download").get("/", query_string={"jobs": text}, headers=bearer(services)), 400)


def test_an_unavailable_store_is_answered_503_before_anything_is_sent(function: Call, services: Services) -> None:
    job = ready_job(services)
    media = services.settings.soundlift_data / "media"
    media.rename(media.with_name("away"))
    media.write_text("")
    assert_problem(get(function, services, job), 503)


@pytest.mark.parametrize("damage", ["missing", "longer", "shorter"])
def test_an_mp3_that_cannot_be_read_completely_ends_the_response_with_an_error(
    function: Call, services: Services, damage: str
) -> None:
    jobs = [ready_job(services, SOUND) for _ in range(2)]
    file = mp3_file(services, jobs[1])
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(SOUND + b"x" if damage == "longer" else SOUND[:-1])
    with pytest.raises(Exception, match=r"no such file|recorded size"):
        get(function, services, *jobs)


@pytest.mark.servers
def test_a_client_notices_that_a_store_failed_in_the_middle_of_a_zip_file(services: Services) -> None:
    jobs = [ready_job(services, SOUND) for _ in range(3)]
    mp3_file(services, jobs[2]).unlink()
    ids = [job.id for job in jobs]
    token = services.tokens.archive_link(ids)
    url = f"GET /?jobs={','.join(ids)}&token={token}"
    with served("download", services) as server, server.connect(url) as connection:
        received = _receive_all(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    announced = int(head.lower().partition(b"content-length: ")[2].split()[0])
    assert len(SOUND) * 2 < len(body) < announced
    assert b"PK\5\6" not in body
    log = server.log.read_bytes()
    assert b"archive cut off" in log
    assert token.encode() not in log


def _receive_all(connection: socket.socket) -> bytes:
    received = b""
    with suppress(ConnectionResetError):
        while block := connection.recv(2**16):
            received += block
    return received


@pytest.mark.slow
def test_a_zip_file_of_more_than_four_gibibytes_is_valid(function: Call, services: Services, tmp_path: Path) -> None:
    large, small = ready_job(services, b"", name="large.mp4"), ready_job(services, SOUND, name="small.mp4")
    size = 2**32 + 5
    with mp3_file(services, large).open("r+b") as sparse:
        sparse.truncate(size)
    services.database.change(sa.update(table).where(table.c.id == large.id).values(mp3_bytes=size))
    app, file = function("download").application, tmp_path / "large.zip"
    client = FlaskClient(app, app.response_class)
    with client.get(f"/?jobs={large.id},{small.id}", headers=bearer(services)) as answer, file.open("wb") as target:
        for block in answer.iter_encoded():
            _write_sparse(target, block)
        assert int(answer.headers["Content-Length"]) == target.tell() > size
    with ZipFile(file) as archive:
        assert [info.file_size for info in archive.infolist()] == [size, len(SOUND)]
        assert archive.read("small.mp3") == SOUND


def _write_sparse(target: BinaryIO, block: bytes) -> None:
    """Write a block, or leave a hole if it is a complete block of zeros."""
    if block == bytes(BLOCK_BYTES):
        target.seek(len(block), io.SEEK_CUR)
    else:
        target.write(block)
