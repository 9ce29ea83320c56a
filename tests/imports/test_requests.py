"""POST /upload with a URL: a job at once, whose video fetch imports; cleanup sends its event again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import IMPORT_REQUESTED, from_message, job_id_from
from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.jobs import job_now
from tests.factories.problems import assert_problem
from tests.factories.webhooks import endpoint
from tests.fixtures.functions import Call
from tests.imports.sources import age_source, importing_job, source_rows

URL = "https://user-content.example.org/talks/My%20talk.mp4?token=secret#part"


def request(function: Call, services: Services, json: Any, **headers: str) -> Any:
    return function("upload").post("/", json=json, headers={**bearer(services), **headers})


def test_a_url_becomes_a_job_at_once(function: Call, services: Services) -> None:
    response = request(function, services, {"url": URL, "channels": 1, "normalize": True, "start": "1:00"})
    assert response.status_code == 202
    document = response.json
    job = job_now(services, document["job_id"])
    assert (job.state, job.file_name) == ("importing", "My talk.mp4")
    assert (document["state"], document["percent"], document["video_bytes"]) == ("importing", 0, None)
    assert document["source_url"] == "https://user-content.example.org/talks/My%20talk.mp4"
    assert document["options"]["channels"] == 1
    assert document["options"]["start"] == 60
    assert response.headers["Location"] == document["links"]["self"]
    assert source_rows(services)[0].url == URL
    delivery = services.broker.receive(["import"], timeout=1)
    assert delivery is not None
    event = from_message(delivery.message)
    assert (event.get_type(), event.get_id(), job_id_from(event)) == (IMPORT_REQUESTED, f"{job.id}.requested", job.id)
    assert "secret" not in str(delivery.message)


def test_options_may_be_in_the_query_and_the_file_may_be_named(function: Call, services: Services) -> None:
    response = function("upload").post(
        "/?format=flac", json={"url": "https://example.org/", "name": "../a.mp4"}, headers=bearer(services)
    )
    assert (response.json["file_name"], response.json["format"]) == ("a.mp4", "flac")
    assert request(function, services, {"url": "https://example.org/"}).json["file_name"] == "video"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        *(
            ("", "bad_request"),
            ("[]", "bad_request"),
            ("{", "bad_request"),
            ("{}", "bad_request"),
            ("9" * 5000, "bad_request"),
        ),
        *(('{"url": 1}', "bad_request"), ('{"url": "http://a.org/", "name": null}', "bad_request")),
        *(('{"url": "http://a.org/", "channels": [1]}', "bad_option"), ('{"url": "\\ud800"}', "bad_request")),
        *(
            ('{"url": "http://a.org/", "channels": 9}', "bad_option"),
            ('{"url": "http://a.org/", "x": 1}', "bad_option"),
        ),
        *(
            ('{"url": "ftp://a.org/"}', "bad_url"),
            ('{"url": "http://a:b@a.org/"}', "bad_url"),
            ('{"url": ""}', "bad_url"),
        ),
        *(('{"url": "http://127.0.0.1/"}', "bad_url"), ('{"url": "http://[::ffff:10.0.0.1]/"}', "bad_url")),
        *(('{"url": "http://2130706433/"}', "bad_url"), ('{"url": "http://a.org:22/"}', "bad_url")),
    ],
)
def test_a_request_that_cannot_be_fulfilled_is_refused(
    function: Call, services: Services, body: str, code: str
) -> None:
    headers = {**bearer(services), "Content-Type": "application/json"}
    assert_problem(function("upload").post("/", data=body, headers=headers), 400, code=code)
    assert source_rows(services) == []


def test_an_import_may_name_a_webhook_of_its_owner(function: Call, services: Services) -> None:
    webhook = endpoint(services).id
    document = request(function, services, {"url": URL, "webhook": webhook}).json
    assert document["options"]["webhook"] == webhook
    assert_problem(request(function, services, {"url": URL, "webhook": "0" * 24}), 400, code="bad_option")


def test_a_json_body_has_a_limit(function: Call, services: Services) -> None:
    assert_problem(request(function, services, {"url": "http://a.org/", "name": "a" * 20_000}), 413, code="too_large")


def test_an_import_with_the_same_key_is_the_same_job(function: Call, services: Services) -> None:
    first, second = (request(function, services, {"url": URL}, **{"Idempotency-Key": '"1"'}).json for _ in range(2))
    assert first["job_id"] == second["job_id"]
    assert len(source_rows(services)) == 1
    other = request(function, services, {"url": f"{URL}&x"}, **{"Idempotency-Key": '"1"'})
    assert_problem(other, 422, code="idempotency_key_reused")
    deleted = function("upload").delete("/", headers={**bearer(services), "Idempotency-Key": '"1"'})
    assert (deleted.status_code, source_rows(services)) == (204, [])


def test_imports_count_as_jobs_and_uploads_of_their_user(function: Call, services: Services) -> None:
    services.settings = replace(services.settings, max_jobs_in_flight=1)
    assert request(function, services, {"url": URL}).status_code == 202
    refused = request(function, services, {"url": URL})
    assert_problem(refused, 429, code="too_many_jobs")
    assert int(refused.headers["Retry-After"]) > 0


def test_an_importing_job_is_listed_searched_shown_and_cancelled(function: Call, services: Services) -> None:
    job = importing_job(services)
    jobs, own = function("jobs"), bearer(services)
    assert jobs.get(f"/{job.id}", headers=own).json["state"] == "importing"
    for query in ("/", "/?state=importing", "/?q=talk"):
        page = jobs.get(query, headers=own).json
        assert [each["state"] for each in page["jobs"]] == ["importing"]
    assert jobs.get("/?state=queued", headers=own).json["jobs"] == []
    services.jobs.claim_import(job)
    cursor = page["cursor"]
    changes = jobs.get(f"/?changed_since={cursor}", headers=own).json
    assert [each["job_id"] for each in changes["jobs"]] == [job.id]
    cancelled = jobs.delete(f"/{job.id}", headers=own)
    assert cancelled.json["state"] == "cancelled"
    assert_problem(jobs.post(f"/{job.id}/retry", headers=own), 409, code="not_retryable")
    assert jobs.delete(f"/{job.id}", headers=own).status_code == 204
    function("cleanup").post("/")
    assert services.jobs.find(job.id) is None


def test_cleanup_sends_the_event_of_an_overdue_import_again(function: Call, services: Services) -> None:
    job = importing_job(services)
    assert function("cleanup").post("/").json["sent"] == 0
    age_source(services, job, 601)
    assert function("cleanup").post("/").json["sent"] == 1
    assert services.broker.receive(["import"], timeout=1) is not None
    assert function("cleanup").post("/").json["sent"] == 0
    # Its worker was killed: the claim lapses.
    assert services.jobs.claim_import(job_now(services, job.id))
    assert function("cleanup").post("/").json["sent"] == 0
    age_source(services, job, 31)
    assert function("cleanup").post("/").json["sent"] == 1


def test_cleanup_gives_up_an_import_after_a_day(function: Call, services: Services) -> None:
    job = importing_job(services)
    age_source(services, job, 24 * 3600 + 1)
    function("cleanup").post("/")
    assert (job_now(services, job.id).state, job_now(services, job.id).error_code) == ("failed", "import_failed")


class SilentBroker:
    """A broker that accepts nothing."""

    def publish(self, event: object) -> None:
        raise BrokerUnavailable("The broker does not answer.")


def test_an_import_whose_event_cannot_be_sent_is_due_at_once(function: Call, services: Services) -> None:
    publisher = services.publisher
    services.publisher = SilentBroker()
    assert request(function, services, {"url": URL}).status_code == 202
    services.publisher = publisher
    assert function("cleanup").post("/").json["sent"] == 1


def test_an_older_release_hides_an_import_and_leaves_it_alone(services: Services) -> None:
    """Its row is that of an upload in progress without a deadline, which is never abandoned and has no event due."""
    job = importing_job(services)
    with services.database.read() as connection:
        row = connection.exec_driver_sql(f"SELECT * FROM job WHERE id = '{job.id}'").one()
    assert (row.state, row.upload_deadline, row.resend_at, row.purge_after) == ("receiving", None, None, None)
    assert services.jobs.interrupted() == services.jobs.due() == services.jobs.to_dispose() == []


def test_the_source_of_a_job_that_an_older_release_has_cancelled_is_deleted(services: Services) -> None:
    job = importing_job(services)
    with services.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE job SET state = 'deleted' WHERE id = '{job.id}'")
    age_source(services, job, 3600)
    assert services.jobs.due_imports() == []
    assert source_rows(services) == []
