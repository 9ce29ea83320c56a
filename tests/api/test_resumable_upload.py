"""upload: resumable uploads by tus 1.0, request by request."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from soundlift.common.audio.formats import SIGNATURE_BYTES
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services
from tests.api.tus import VIDEO, CutBody, Tus, metadata, path_of, sha1
from tests.api.uploads import only_job, read_stored, traces
from tests.factories.jobs import job_now
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call


@pytest.fixture
def tus(function: Call, services: Services) -> Tus:
    return Tus.of(function, services)


def stored(services: Services) -> bytes:
    return read_stored(services, only_job(services).video_fid)


def test_an_upload_in_parts_makes_the_job_that_a_plain_upload_makes(tus: Tus, services: Services) -> None:
    named = metadata(filename="C:\\Ünïcode 🎵.mp4", filetype="video/mp4", relativePath="null", bitrate="128k")
    response = tus.create(Upload_Metadata=named)
    assert (response.status_code, response.data) == (201, b"")
    assert response.headers["Location"].startswith(f"{services.settings.public_url}/upload/files/")
    path, offset = path_of(response), 0
    for end in (1000, SIGNATURE_BYTES + 5, 150_000, len(VIDEO)):
        assert tus.head(path).headers["Upload-Metadata"] == named
        response = tus.patch(path, offset, VIDEO[offset:end])
        assert (response.status_code, response.headers["Upload-Offset"]) == (204, str(end))
        assert ("Upload-Expires" in response.headers) == (end < len(VIDEO))
        offset = end
    job = only_job(services)
    assert response.headers["Soundlift-Job"] == job.id
    assert (job.state, job.file_name, job.content_type) == ("queued", "Ünïcode 🎵.mp4", "video/mp4")
    assert job.video_bytes == len(VIDEO)
    assert AudioOptions.from_row(job.options, services.settings).bitrate == 128
    assert stored(services) == VIDEO
    event = services.broker.receive(["video"], timeout=0)
    assert event is not None


def test_what_arrived_before_the_connection_broke_is_kept(tus: Tus, services: Services) -> None:
    path = tus.begin()
    for start, end in ((0, 10), (10, SIGNATURE_BYTES + 1), (SIGNATURE_BYTES + 1, len(VIDEO) - 1)):
        assert_problem(tus.patch(path, start, CutBody(VIDEO[start:end])), 400)
        assert tus.offset(path) == end
    assert tus.patch(path, len(VIDEO) - 1, VIDEO[-1:]).status_code == 204
    assert stored(services) == VIDEO


def test_a_creation_can_bring_the_first_bytes_or_all_of_them(tus: Tus, services: Services) -> None:
    response = tus.create(data=VIDEO[:70_000])
    assert (response.status_code, response.headers["Upload-Offset"]) == (201, "70000")
    tus.delete(path_of(response))
    response = tus.create(data=VIDEO)
    assert response.headers["Upload-Offset"] == str(len(VIDEO))
    assert job_now(services, response.headers["Soundlift-Job"]).state == "queued"


def test_the_length_may_follow_later_but_never_change(tus: Tus, services: Services) -> None:
    path = tus.begin(None)
    assert tus.head(path).headers["Upload-Defer-Length"] == "1"
    assert tus.patch(path, 0, VIDEO).status_code == 204
    assert only_job(services).state == "receiving"
    too_short = tus.patch(path, len(VIDEO), b"", Upload_Length=str(len(VIDEO) - 1))
    assert_problem(too_short, 400)
    too_long = tus.patch(path, len(VIDEO), b"", Upload_Length=str(services.settings.max_upload_bytes + 1))
    assert_problem(too_long, 413, code="too_large")
    other = path_of(tus.create(None))
    assert tus.patch(other, 0, VIDEO[:5], Upload_Length=str(len(VIDEO))).status_code == 204
    assert tus.head(other).headers["Upload-Length"] == str(len(VIDEO))
    assert_problem(tus.patch(other, 5, VIDEO[5:], Upload_Length="6"), 400)
    tus.delete(other)
    response = tus.patch(path, len(VIDEO), b"", Upload_Length=str(len(VIDEO)))
    assert job_now(services, response.headers["Soundlift-Job"]).state == "queued"
    assert read_stored(services, job_now(services, response.headers["Soundlift-Job"]).video_fid) == VIDEO


def test_bytes_with_another_checksum_are_not_kept(tus: Tus, services: Services) -> None:
    path = tus.begin()
    for offset in (0, 100_000):
        wrong = tus.patch(path, offset, VIDEO[offset : offset + 90_000], Upload_Checksum=sha1(b"something else"))
        assert_problem(wrong, 460, code="checksum_mismatch")
        cut = tus.patch(path, offset, CutBody(VIDEO[offset : offset + 90_000]), Upload_Checksum=sha1(VIDEO))
        assert_problem(cut, 400)
        assert tus.offset(path) == offset
        part = VIDEO[offset : offset + 100_000]
        assert tus.patch(path, offset, part, Upload_Checksum=sha1(part)).status_code == 204
    for unusable in ("md5 XUFAKrxLKna5cZ2REBfFkg==", "sha1", "sha1 !", "sha1 AAAA"):
        assert_problem(tus.patch(path, 200_000, VIDEO[200_000:], Upload_Checksum=unusable), 400)
    assert tus.patch(path, 200_000, VIDEO[200_000:]).status_code == 204
    assert stored(services) == VIDEO


def test_a_part_at_another_offset_is_refused_and_disturbs_no_other_request(tus: Tus, services: Services) -> None:
    path = tus.begin()
    tus.patch(path, 0, VIDEO[:100])
    before = services.resumable_uploads.find(path.rpartition("/")[2])
    for offset in (0, 101):
        assert_problem(tus.patch(path, offset, VIDEO[offset:]), 409, code="offset_conflict")
    assert services.resumable_uploads.find(path.rpartition("/")[2]) == before
    for unusable in ("-1", "x", "", "9" * 19):
        assert_problem(tus.patch(path, 0, VIDEO, Upload_Offset=unusable), 400)


@pytest.mark.parametrize("announced", [True, False])
def test_a_part_beyond_the_length_is_refused(tus: Tus, services: Services, announced: bool) -> None:
    path = tus.begin(len(VIDEO) - 1)
    body = VIDEO if announced else Chunked(VIDEO)
    assert_problem(tus.patch(path, 0, body), 413, code="too_large")
    assert only_job(services).state == "receiving"
    assert tus.offset(path) < len(VIDEO)


class Chunked(io.BytesIO):
    """A body whose length is not announced."""

    def getvalue(self) -> bytes:
        return b""


def test_a_file_of_an_unknown_format_ends_its_upload_and_reaches_no_store(tus: Tus, services: Services) -> None:
    path = tus.begin()
    assert tus.patch(path, 0, b"text " * 10).status_code == 204
    assert_problem(tus.patch(path, 50, bytes(SIGNATURE_BYTES)), 415, code="unsupported_media_type")
    assert_problem(tus.patch(path, 50, VIDEO[50:]), 410, code="upload_deleted")
    assert traces(services) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Upload-Length": "0"},
        {"Upload-Length": "-1"},
        {"Upload-Length": "1", "Upload-Defer-Length": "1"},
        {"Upload-Defer-Length": "2"},
        {},
        {"Upload-Length": "9", "Upload-Metadata": "filename ä"},
        {"Upload-Length": "9", "Upload-Metadata": "filename YQ==,filename YQ=="},
        {"Upload-Length": "9", "Upload-Metadata": "filename /w=="},
        {"Upload-Length": "9", "Upload-Metadata": metadata(bitrat="128k")},
        {"Upload-Length": "9", "Upload-Metadata": metadata(bitrate="12")},
    ],
)
def test_a_creation_that_cannot_be_understood_leaves_no_trace(
    tus: Tus, services: Services, headers: dict[str, str]
) -> None:
    assert_problem(tus.send("POST", "/files", **headers), 400)
    assert traces(services) == []


def test_a_creation_beyond_a_limit_is_refused(tus: Tus, services: Services) -> None:
    assert_problem(tus.create(services.settings.max_upload_bytes + 1), 413, code="too_large")
    assert_problem(tus.create(Upload_Metadata=metadata(filetype="multipart/mixed")), 415)
    services.settings = replace(services.settings, max_unfinished_uploads=1)
    first = tus.begin()
    assert_problem(tus.create(), 429, code="too_many_unfinished_uploads")
    tus.delete(first)
    services.settings = replace(services.settings, max_stored_bytes=len(VIDEO) + 10, max_upload_bytes=10**9)
    tus.begin(len(VIDEO))
    services.settings = replace(services.settings, max_unfinished_uploads=0)
    assert_problem(tus.create(11), 429, code="storage_full")


def test_an_upload_without_a_length_stops_at_the_quota_and_keeps_what_it_has(tus: Tus, services: Services) -> None:
    services.settings = replace(services.settings, max_stored_bytes=150_000)
    path = tus.begin(None)
    assert_problem(tus.patch(path, 0, VIDEO), 413, code="too_large")
    tus.delete(path)
    other, path = tus.begin(100_000), tus.begin(None)
    assert_problem(tus.patch(path, 0, VIDEO[:60_000]), 429, code="storage_full")
    tus.delete(other)
    offset = tus.offset(path)
    assert tus.patch(path, offset, VIDEO[offset:60_000]).status_code == 204
