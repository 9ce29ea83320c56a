"""upload: resumable uploads whose requests meet each other, a deletion, or damaged bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from devservers.s3 import S3
from functions.upload.handler import app
from soundlift.common.media import new_media_id
from soundlift.common.media.s3.resumption import MAX_PART_SIZE, USUAL_PARTS, S3Resumption, State
from soundlift.common.media.s3.writer import PART_SIZE
from soundlift.common.services import Services
from tests.api.direct_uploads import stored as stored_in_s3
from tests.api.tus import VIDEO, Tus, metadata, sha1
from tests.api.uploads import only_job, read_stored, traces
from tests.contract.media.resumed_files import INFO
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call, Client

JUNK = b"text " * 40_000


@pytest.fixture
def tus(function: Call, services: Services) -> Tus:
    return Tus.of(function, services)


@pytest.fixture
def s3_services(services: Services, s3_server: S3) -> Iterator[Services]:
    found = Services(replace(services.settings, media_url=s3_server.url().replace("some/prefix", new_media_id())))
    yield found
    found.videos.delete(only_job(found).video_fid)
    assert stored_in_s3(found) == ([], [])


@pytest.fixture
def s3_tus(s3_services: Services) -> Tus:
    app.services = s3_services
    app.test_client_class = Client
    return Tus(app.test_client(), bearer(s3_services, "ada@example.org"))


class Late(io.BytesIO):
    """A body that calls a function once, before its first byte."""

    def __init__(self, data: bytes, interrupt: Callable[[], object]) -> None:
        super().__init__(data)
        self._interrupt = interrupt

    def read(self, size: int | None = -1, /) -> bytes:
        interrupt, self._interrupt = self._interrupt, lambda: None
        interrupt()
        return super().read(size)


def test_a_late_request_with_other_bytes_does_not_end_the_upload(tus: Tus, services: Services) -> None:
    path = tus.begin()
    late = Late(JUNK, lambda: tus.patch(path, tus.offset(path), VIDEO[:100_000]))
    assert_problem(tus.patch(path, 0, late), 409, code="upload_superseded")
    assert tus.patch(path, 100_000, VIDEO[100_000:]).status_code == 204
    assert read_stored(services, only_job(services).video_fid) == VIDEO


@pytest.mark.servers
def test_a_late_request_that_misses_replaced_bytes_does_not_end_the_upload(s3_tus: Tus, s3_services: Services) -> None:
    path = s3_tus.begin()
    s3_tus.patch(path, 0, VIDEO[:70_000])
    late = Late(VIDEO[70_000:], lambda: s3_tus.patch(path, s3_tus.offset(path), VIDEO[70_000:100_000]))
    assert_problem(s3_tus.patch(path, 70_000, late), 409, code="upload_superseded")
    assert s3_tus.patch(path, 100_000, VIDEO[100_000:]).status_code == 204
    assert read_stored(s3_services, only_job(s3_services).video_fid) == VIDEO


def test_a_deletion_before_the_file_begins_leaves_nothing(tus: Tus, services: Services) -> None:
    path = tus.begin()
    assert_problem(tus.patch(path, 0, Late(VIDEO, lambda: tus.delete(path))), 409, code="upload_superseded")
    assert traces(services) == []


def test_damaged_first_bytes_do_not_end_an_upload_with_checksums(tus: Tus, services: Services) -> None:
    path = tus.begin()
    assert_problem(tus.patch(path, 0, JUNK, Upload_Checksum=sha1(VIDEO)), 460, code="checksum_mismatch")
    assert tus.patch(path, 0, VIDEO, Upload_Checksum=sha1(VIDEO)).status_code == 204
    assert read_stored(services, only_job(services).video_fid) == VIDEO
    other = tus.begin(len(JUNK))
    assert_problem(tus.patch(other, 0, JUNK, Upload_Checksum=sha1(JUNK)), 415, code="unsupported_media_type")


@pytest.mark.parametrize("video", [MP4, VIDEO])
def test_the_length_may_follow_after_the_last_byte(tus: Tus, services: Services, video: bytes) -> None:
    path = tus.begin(None)
    assert tus.patch(path, 0, video).status_code == 204
    response = tus.patch(path, len(video), b"", Upload_Length=str(len(video)))
    assert (response.status_code, response.headers["Soundlift-Job"]) == (204, only_job(services).id)
    assert tus.head(path).headers["Upload-Length"] == str(len(video))
    assert read_stored(services, only_job(services).video_fid) == video


@pytest.mark.servers
def test_no_store_loses_the_last_bytes_if_the_length_follows_them(s3_tus: Tus, s3_services: Services) -> None:
    path = s3_tus.begin(None)
    assert s3_tus.patch(path, 0, VIDEO).status_code == 204
    assert s3_tus.patch(path, len(VIDEO), b"", Upload_Length=str(len(VIDEO))).status_code == 204
    assert read_stored(s3_services, only_job(s3_services).video_fid) == VIDEO


def test_metadata_that_no_header_can_have_is_refused(tus: Tus, services: Services) -> None:
    for space in "\x1f\x85\xa0":
        assert_problem(tus.create(Upload_Metadata=f"{metadata(filename='a.mp4')},{space}"), 400)
    assert traces(services) == []


class Beginnings:
    """An S3 client that begins multipart uploads."""

    def create_multipart_upload(self, **_: object) -> dict[str, str]:
        return {"UploadId": "1"}


@pytest.mark.parametrize(("expected", "part"), [(1, PART_SIZE), (USUAL_PARTS * 2**23, 2**23), (2**63, MAX_PART_SIZE)])
def test_a_part_fits_in_memory_however_large_the_file_may_be(expected: int, part: int) -> None:
    files = S3Resumption(Beginnings(), lambda fid: {"Bucket": "b", "Key": fid})
    assert State.read(files.begin("a", INFO, expected_bytes=expected)).size == part
