"""upload: videos that the client sends to S3 itself."""

from __future__ import annotations

from typing import Any

import pytest

from functions.upload.direct import completion
from functions.upload.direct.beginning import FIRST_PARTS, MAX_PARTS, PART_BYTES, part_bytes_for
from functions.upload.handler import app
from soundlift.common.jobs.model import RECEIVE_SECONDS, State
from soundlift.common.services import Services
from tests.api.direct_uploads import VIDEO, DirectClient, clean_up, client_with, rows, stored
from tests.api.uploads import read_stored
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, age, job_now
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

pytestmark = pytest.mark.servers


def test_a_video_is_sent_to_the_store_and_its_job_queued(direct: DirectClient) -> None:
    upload = direct.begun(options={"format": "flac", "start": 1, "tag.title": "Ünïcode ♪"})
    assert [(part["number"], part["size"]) for part in upload["parts"]] == [(1, PART_BYTES), (2, len(MP4))]
    assert rows(direct.services) == [(upload["job_id"], State.RECEIVING)]
    direct.send(upload)
    answer = direct.complete(upload)
    assert (answer.status_code, answer.json["state"]) == (202, "queued")
    assert (answer.json["video_bytes"], answer.json["file_name"]) == (len(VIDEO), "a.mp4")
    assert (answer.json["options"]["format"], answer.json["options"]["start"]) == ("flac", 1)
    assert "Ünïcode ♪" in str(answer.json["options"])
    assert answer.headers["Location"] == answer.json["links"]["self"]
    assert read_stored(direct.services, answer.json["video_fid"]) == VIDEO
    assert direct.services.broker.receive(["video"], timeout=0) is not None
    assert direct.abandon(upload).status_code == 204
    clean_up(direct.services)


def test_another_user_has_no_such_upload(direct: DirectClient) -> None:
    upload = direct.begun(MP4)
    for answer in (
        direct.parts(upload, [1], user="bob@example.org"),
        direct.complete(upload, user="root@example.org"),
        direct.abandon(upload, user="bob@example.org"),
        direct.complete({"job_id": "no-such-id"}),
        direct.abandon({"job_id": "0" * 24}),
    ):
        assert_problem(answer, 404, code="not_found")
    assert direct.abandon(upload).status_code == 204


def test_a_job_of_a_plain_upload_is_no_direct_upload(direct: DirectClient) -> None:
    client = app.test_client()
    job = client.post("/", data=MP4, content_type="video/mp4", headers=bearer(direct.services)).json
    assert_problem(direct.complete(job), 404, code="not_found")
    assert_problem(direct.abandon(job), 404, code="not_found")
    direct.services.videos.delete(job["video_fid"])


def test_nothing_is_queued_before_all_parts_have_arrived_with_their_sizes(direct: DirectClient) -> None:
    upload = direct.begun()
    assert_problem(direct.complete(upload), 409, code="upload_incomplete")
    assert direct.put(upload["parts"][0], VIDEO[:PART_BYTES]) == 200
    missing = direct.complete(upload, {"parts": [{"PartNumber": 2, "ETag": '"0"', "Size": len(MP4)}]})
    assert "not arrived: 2." in missing.json["detail"]
    # moto does not check the signature of the header Content-Length, as S3 does: so a part can be too long.
    assert direct.put(upload["parts"][1], bytes(len(MP4) + 1)) == 200
    wrong = direct.complete(upload)
    assert_problem(wrong, 409, code="upload_incomplete")
    assert "size that was announced: 2." in wrong.json["detail"]
    assert direct.put(upload["parts"][1], VIDEO[PART_BYTES:]) == 200
    assert direct.complete(upload).status_code == 202
    direct.abandon(upload)
    clean_up(direct.services)


def test_a_part_beyond_the_announced_ones_is_refused(direct: DirectClient) -> None:
    upload = direct.begun(MP4)
    store = direct.services.direct_videos
    row = direct.services.direct_uploads.find(upload["job_id"])
    assert store and row and row.reference
    direct.send(upload, MP4)
    url = store.sign_part(row.job.video_fid, row.reference, number=2, size=1, seconds=60)
    assert direct.put({"url": url}, b"1") == 200
    assert_problem(direct.complete(upload), 409, code="upload_incomplete")
    for numbers in ([0], [2], ["1"], [True], [1.0], [], None, [1] * 101, {"1": 1}):
        assert_problem(direct.parts(upload, numbers), 400, code="bad_request")
    assert direct.abandon(upload).status_code == 204


def test_urls_are_signed_when_they_are_due(direct: DirectClient) -> None:
    size = 50 * PART_BYTES + 1
    upload = direct.begun(size=size)
    assert (upload["part_count"], len(upload["parts"]), upload["expires_in"]) == (51, FIRST_PARTS, 900)
    age(direct.services, job_now(direct.services, upload["job_id"]), RECEIVE_SECONDS - 1, "upload_deadline")
    more = direct.parts(upload, [51, 9, 51])
    assert [(part["number"], part["size"]) for part in more.json["parts"]] == [(51, 1), (9, PART_BYTES)]
    assert more.headers["Cache-Control"] == "no-store"
    assert not direct.services.jobs.interrupted(), "a request postpones the deadline"
    assert direct.abandon(upload).status_code == 204


def test_the_urls_are_for_the_address_that_clients_see(s3_services: Services) -> None:
    direct = client_with(s3_services, media_endpoint="https://media.example.org")
    upload = direct.begun(MP4)
    url = upload["parts"][0]["url"]
    assert url.startswith("https://media.example.org/soundlift/")
    assert "X-Amz-SignedHeaders=content-length%3Bhost&" in url
    assert "X-Amz-Expires=900&" in url
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256&" in url
    assert "checksum" not in url.lower()
    assert direct.abandon(upload).status_code == 204


def test_what_a_plain_upload_would_refuse_is_refused_before_anything_is_kept(direct: DirectClient) -> None:
    refusals: list[tuple[dict[str, Any], int, str]] = [
        *(({"size": size}, 400, "bad_request") for size in (0, -1, True, "5", 5.0, None, [])),
        *(({"size": size}, 413, "too_large") for size in (4 * 2**30 + 1, 10**400)),
        ({"name": 5}, 400, "bad_request"),
        ({"type": []}, 400, "bad_request"),
        ({"type": "multipart/mixed"}, 415, "unsupported_media_type"),
        ({"options": []}, 400, "bad_request"),
        *(({"options": {"bitrate": value}}, 400, "bad_option") for value in ("7", None, [], {}, 1e308)),
        ({"options": {"no\u0000such": "1"}}, 400, "bad_option"),
        ({"options": {"webhook": "0" * 24}}, 400, "bad_option"),
        ({"options": {"x" * 70_000: "1"}}, 413, "request_entity_too_large"),
    ]
    for changes, status, code in refusals:
        assert_problem(direct.begin(**changes), status, code=code)
    assert rows(direct.services) == []


def test_the_limits_of_a_user_hold(s3_services: Services) -> None:
    direct = client_with(s3_services, max_jobs_in_flight=1)
    upload = direct.begun(MP4)
    assert_problem(direct.begin(MP4), 429, code="too_many_jobs")
    assert direct.abandon(upload).status_code == 204
    full = client_with(s3_services, max_stored_bytes=2 * len(MP4) - 1)
    upload = full.begun(MP4)
    assert_problem(full.begin(MP4), 429, code="storage_full")
    assert full.abandon(upload).status_code == 204
    hourly = client_with(s3_services, max_uploads_per_hour=1)
    assert_problem(hourly.begin(MP4), 429, code="too_many_uploads")


def test_another_format_is_refused_as_by_a_plain_upload_and_nothing_of_it_is_kept(direct: DirectClient) -> None:
    content = b"\x89PNG\r\n" + bytes(3000)
    upload = direct.begun(content)
    direct.send(upload, content)
    refusal = direct.complete(upload)
    plain = app.test_client().post("/", data=content, content_type="video/mp4", headers=bearer(direct.services))
    assert_problem(refusal, 415, code="unsupported_media_type")
    assert refusal.json == plain.json
    assert rows(direct.services) == []
    assert stored(direct.services) == ([], [])


def test_an_abandoned_upload_is_removed_by_cleanup(direct: DirectClient) -> None:
    upload = direct.begun()
    assert direct.put(upload["parts"][0], VIDEO[:PART_BYTES]) == 200
    age(direct.services, job_now(direct.services, upload["job_id"]), RECEIVE_SECONDS + 1)
    clean_up(direct.services)
    assert rows(direct.services) == []
    assert stored(direct.services) == ([], [])
    assert_problem(direct.complete(upload), 404, code="not_found")
    assert direct.put(upload["parts"][1], VIDEO[PART_BYTES:]) != 200


def test_an_upload_that_the_store_has_lost_ends(direct: DirectClient) -> None:
    upload = direct.begun(MP4)
    direct.services.videos.delete(job_now(direct.services, upload["job_id"]).video_fid)
    assert_problem(direct.complete(upload), 410, code="upload_deleted")
    assert rows(direct.services) == []


def test_a_simultaneous_request_gets_the_job_even_if_its_video_is_converted_and_gone(direct: DirectClient) -> None:
    services, upload = direct.services, direct.begun(MP4)
    direct.send(upload, MP4)
    early = services.direct_uploads.find(upload["job_id"])
    assert early is not None
    assert services.direct_videos is not None
    assert direct.complete(upload).status_code == 202
    services.videos.delete(early.job.video_fid)
    assert completion.complete(early, services, services.direct_videos).state == State.QUEUED


@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"size": 5, "name": "\\ud800.mp4"}', b'{"size": NaN}', b"\xff"])
def test_a_hostile_body_is_refused(direct: DirectClient, body: bytes) -> None:
    answer = app.test_client().post("/direct", data=body, headers=bearer(direct.services))
    assert_problem(answer, 400, code="bad_request")


def test_an_upload_takes_no_longer_than_a_plain_one_may(s3_services: Services) -> None:
    direct = client_with(s3_services, upload_seconds=60)
    upload = direct.begun(MP4)
    age(direct.services, job_now(direct.services, upload["job_id"]), 61, "created_at")
    assert_problem(direct.parts(upload, [1]), 408, code="request_timeout")
    assert direct.abandon(upload).status_code == 204


def test_a_deployment_without_direct_uploads_says_so(function: Call, services: Services, s3_services: Services) -> None:
    without_s3 = function("upload")
    answer = without_s3.post("/direct", json={"size": 5}, headers=bearer(services))
    assert_problem(answer, 501, "Direct Upload Unavailable", code="direct_unavailable")
    assert_problem(without_s3.post("/direct", json={}), 401, code="not_authorized")
    switched_off = client_with(s3_services, direct_uploads=False)
    assert_problem(switched_off.begin(), 501, code="direct_unavailable")


def test_the_paths_of_direct_uploads_allow_only_their_methods(direct: DirectClient) -> None:
    client = app.test_client()
    assert set(client.get("/direct").headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
    assert set(client.post("/direct/0").headers["Allow"].split(", ")) == {"OPTIONS", "DELETE"}
    assert client.get("/direct/0/parts").status_code == 405
    assert client.delete("/direct/0/complete").status_code == 405
    assert client.get("/direct/0/other", headers=bearer(direct.services)).status_code == 400, "as any other path"


def test_parts_are_larger_if_there_would_be_too_many() -> None:
    for size in (1, PART_BYTES, PART_BYTES * MAX_PARTS, PART_BYTES * MAX_PARTS + 1, 5 * 2**40):
        part = part_bytes_for(size)
        assert PART_BYTES <= part <= 5 * 2**30
        assert -(-size // part) <= MAX_PARTS
