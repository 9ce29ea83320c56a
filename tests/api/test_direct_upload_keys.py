"""upload: direct uploads whose request is repeated with the same Idempotency-Key."""

from __future__ import annotations

import pytest

from functions.upload.direct.beginning import PART_BYTES
from soundlift.common.services import Services
from tests.api.direct_uploads import VIDEO, DirectClient, clean_up, client_with, rows, stored
from tests.api.uploads import read_stored
from tests.factories.jobs import MP4
from tests.factories.problems import assert_problem
from tests.factories.webhooks import endpoint

pytestmark = pytest.mark.servers
KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'


def test_a_completed_upload_is_completed_again_with_the_same_job_and_one_event(direct: DirectClient) -> None:
    upload = direct.begun(MP4, key=KEY)
    direct.send(upload, MP4)
    first, second = direct.complete(upload), direct.complete(upload, {"parts": [{"ETag": "mine", "PartNumber": 7}]})
    assert (second.status_code, second.json) == (202, first.json)
    assert direct.services.broker.receive(["video"], timeout=0) is not None
    assert direct.services.broker.receive(["video"], timeout=0) is None
    repeated = direct.begin(MP4, key=KEY)
    assert (repeated.status_code, repeated.json["job_id"]) == (202, first.json["job_id"])
    assert_problem(direct.parts(upload, [1]), 404, code="not_found")
    assert direct.put(upload["parts"][0], bytes(5)) != 200, "the URL is void"
    assert read_stored(direct.services, first.json["video_fid"]) == MP4
    assert direct.abandon(upload).status_code == 204
    assert_problem(direct.complete(upload), 410, code="upload_deleted")
    clean_up(direct.services)


def test_an_upload_with_a_key_is_continued_by_the_same_request(direct: DirectClient) -> None:
    first, again = direct.begun(key=KEY), direct.begun(key=KEY)
    assert again["job_id"] == first["job_id"]
    assert len(stored(direct.services)[1]) == 1
    assert_problem(direct.begin(MP4, key=KEY), 422, code="idempotency_key_reused")
    assert_problem(direct.begin(key="no quotes"), 400, code="bad_idempotency_key")
    assert direct.begun(key=KEY, user="bob@example.org")["job_id"] != first["job_id"]
    assert direct.abandon(first).status_code == 204
    assert direct.begun(key=KEY)["job_id"] != first["job_id"], "an abandoned upload gives its key back"
    for job_id, _ in rows(direct.services):
        direct.services.jobs.roll_back(job_id)
    clean_up(direct.services)


def test_a_repeated_request_tells_which_parts_have_arrived_and_how_to_send_the_others(direct: DirectClient) -> None:
    upload = direct.begun(key=KEY)
    assert upload["received"] == []
    # moto does not check the signature of the header Content-Length, as S3 does: so a part can be too short.
    assert direct.put(upload["parts"][0], bytes(5)) == 200
    assert direct.put(upload["parts"][1], VIDEO[PART_BYTES:]) == 200
    again = direct.begun(key=KEY)
    assert (again["received"], [part["number"] for part in again["parts"]]) == ([2], [1])
    assert direct.put(again["parts"][0], VIDEO[:PART_BYTES]) == 200
    row, store = direct.services.direct_uploads.find(upload["job_id"]), direct.services.direct_videos
    assert row and row.reference and store
    arrived = direct.begun(key=KEY)
    store.complete(row.job.video_fid, row.reference, store.parts(row.job.video_fid, row.reference))
    joined = direct.begun(key=KEY)
    for answer in (arrived, joined):
        assert (answer["received"], answer["parts"]) == ([1, 2], [])
    assert direct.complete(joined).json["job_id"] == upload["job_id"]
    assert direct.abandon(upload).status_code == 204
    clean_up(direct.services)


def test_a_repeated_request_gets_the_same_upload_and_job_after_its_webhook_was_removed(direct: DirectClient) -> None:
    services = direct.services
    webhook = endpoint(services, all_jobs=False)
    options = {"webhook": webhook.url}
    upload = direct.begun(MP4, key=KEY, options=options)
    services.webhooks.remove(webhook)
    again = direct.begun(MP4, key=KEY, options=options)
    assert (again["job_id"], len(stored(services)[1])) == (upload["job_id"], 1)
    direct.send(again, MP4)
    completed = direct.complete(again)
    assert (completed.status_code, completed.json["job_id"]) == (202, upload["job_id"])
    late = direct.begin(MP4, key=KEY, options=options)
    assert (late.status_code, late.json["job_id"]) == (202, upload["job_id"])
    assert [job_id for job_id, _ in rows(services)] == [upload["job_id"]]
    assert_problem(direct.begin(MP4, options=options), 400, code="bad_option")
    assert direct.abandon(upload).status_code == 204
    clean_up(services)


def test_a_repeated_upload_needs_no_room_in_a_full_queue(s3_services: Services) -> None:
    direct = client_with(s3_services, max_waiting_jobs=1)
    upload = direct.begun(MP4, key=KEY)
    direct.send(upload, MP4)
    assert direct.complete(upload).status_code == 202
    full = client_with(s3_services, max_waiting_jobs=1)
    assert_problem(full.begin(MP4), 503, code="queue_full")
    assert full.begin(MP4, key=KEY).status_code == 202
    assert direct.abandon(upload).status_code == 204
    clean_up(direct.services)
