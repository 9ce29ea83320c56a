"""The OpenAPI document has the fields and the bounds of the code."""

from __future__ import annotations

import re

from functions.jobs.changes import MAX_CHANGES
from functions.jobs.listing import MAX_SEARCH_LENGTH, PAGE_SIZE, STATES
from functions.upload.idempotency_key import STRING
from soundlift.common import events
from soundlift.common.auth.password_links import Purpose
from soundlift.common.auth.passwords import MAX_PASSWORD_BYTES, MIN_PASSWORD_LENGTH
from soundlift.common.file_names import MAX_NAME_LENGTH
from soundlift.common.jobs.cursor import MAX_CURSOR_LENGTH
from soundlift.common.jobs.document import job_document
from soundlift.common.jobs.model import JOB_ID, MAX_ARCHIVE_JOBS, MAX_POSTED_JOBS
from soundlift.common.notifications.model import Channel
from soundlift.common.services import Services
from soundlift.common.webhooks.send_limits import REPLAYS, TESTS
from tests.factories.jobs import mail_notification, ready_job
from tests.openapi.document import read_document, schema


def test_every_field_of_a_job_is_described(services: Services) -> None:
    job = ready_job(services)
    document = job_document(job, services.settings, [mail_notification(services, job)])
    described = schema("Job")["properties"]
    assert list(document) == list(described)
    assert schema("Job")["required"] == list(described)
    (notification,) = document["notifications"]
    assert list(notification) == list(described["notifications"]["items"]["properties"])
    assert set(document["links"]) <= set(described["links"]["properties"])


def test_the_enumerations_are_those_of_the_code() -> None:
    assert schema("State")["enum"] == list(STATES)
    assert schema("Job")["properties"]["notifications"]["items"]["properties"]["channel"]["enum"] == list(Channel)
    described = re.findall("`(.*?)`", schema("Event")["properties"]["type"]["description"])
    assert described == [events.IMPORT_REQUESTED, events.VIDEO_UPLOADED, events.MP3_READY, events.CONVERSION_FAILED]
    assert schema("PasswordLink")["properties"]["purpose"]["enum"] == list(Purpose)


def test_the_bounds_are_those_of_the_code() -> None:
    parameters = read_document().root["components"]["parameters"]
    in_list = {each.get("name"): each for each in read_document().root["paths"]["/jobs"]["get"]["parameters"]}
    in_download = {each.get("name"): each for each in read_document().root["paths"]["/download"]["get"]["parameters"]}
    assert schema("IdempotencyKey")["pattern"] == f"^{STRING.pattern}$"
    assert schema("JobId")["pattern"] == f"^{JOB_ID.pattern}$"
    assert parameters["PageSize"]["schema"]["default"] == PAGE_SIZE
    assert in_list["q"]["schema"]["maxLength"] == MAX_SEARCH_LENGTH
    assert in_download["jobs"]["schema"]["maxItems"] == MAX_ARCHIVE_JOBS
    assert schema("JobIds")["properties"]["jobs"]["maxItems"] == MAX_ARCHIVE_JOBS
    posted = read_document().root["paths"]["/download"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert posted["properties"]["jobs"]["maxItems"] == MAX_POSTED_JOBS
    assert schema("JobList")["properties"]["jobs"]["maxItems"] == MAX_CHANGES
    assert schema("JobList")["properties"]["cursor"]["maxLength"] == MAX_CURSOR_LENGTH
    assert f"{MAX_PASSWORD_BYTES:,} bytes" in schema("Credentials")["properties"]["password"]["description"]
    choose = read_document().root["paths"]["/login/password"]["post"]["requestBody"]["content"]["application/json"]
    rule = f"At least {MIN_PASSWORD_LENGTH} characters, and at most {MAX_PASSWORD_BYTES:,} bytes"
    assert rule in choose["schema"]["properties"]["password"]["description"]
    assert schema("Job")["properties"]["file_name"]["maxLength"] == MAX_NAME_LENGTH


def test_the_limits_of_what_is_sent_to_webhooks_are_those_of_the_code() -> None:
    described = read_document().root["components"]["responses"]["TooManySends"]["description"]
    assert f"has sent {TESTS.free} tests" in described
    assert f"{REPLAYS.free:,} deliveries again" in described
