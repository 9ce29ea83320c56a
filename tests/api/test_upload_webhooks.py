"""upload: a webhook that an upload of any kind names, even one that has been removed when the upload is repeated."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
import sqlalchemy as sa

from soundlift.common.db.tables import jobs
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services
from tests.api.tus import Tus, metadata
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4
from tests.factories.problems import assert_problem
from tests.factories.publishers import RecordingPublisher
from tests.factories.webhooks import endpoint
from tests.fixtures.functions import Call

URL = "https://hooks.example.org/soundlift"
UNKNOWN = "f" * 24


@pytest.fixture
def publisher(services: Services) -> RecordingPublisher:
    services.publisher = RecordingPublisher()
    return services.publisher


def test_an_upload_names_a_webhook_by_its_id_or_its_url(
    function: Call, services: Services, publisher: RecordingPublisher
) -> None:
    mine = endpoint(services, URL, all_jobs=False)
    disabled = endpoint(services, f"{URL}/disabled")
    services.webhooks.change(disabled, url=disabled.url, all_jobs=True, disabled=True)
    foreign = endpoint(services, f"{URL}/foreign", "bob@example.org")
    upload = function("upload")

    def send(name: str) -> Any:
        return upload.post("/", query_string={"webhook": name}, data=MP4, headers=bearer(services))

    for name in (mine.id, mine.url, "https://Hooks.example.org:443/soundlift"):
        answer = send(name)
        assert (answer.status_code, answer.json["options"]["webhook"]) == (202, mine.id)
    for name in (foreign.id, foreign.url, disabled.id, UNKNOWN, "http://127.0.0.1:22/", "mine", ""):
        assert_problem(send(name), 400, code="bad_option")
    form = {"webhook": UNKNOWN, "file": (io.BytesIO(MP4), "a.mp4")}
    assert_problem(upload.post("/", data=form, headers=bearer(services)), 400, code="bad_option")
    assert len(services.jobs.page("ada@example.org", after=None, limit=10)) == 3


def test_resumable_uploads_and_imports_name_a_webhook_too(
    function: Call, services: Services, publisher: RecordingPublisher
) -> None:
    mine, upload = endpoint(services, URL, all_jobs=False), function("upload")

    def begin(name: str) -> list[Any]:
        metadata = f"filename YS5tcDQ=,webhook {base64.b64encode(name.encode()).decode()}"
        resumable = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": metadata}
        source = {"url": "https://example.org/a.mp4", "webhook": name}
        return [
            upload.post("/files", headers={**bearer(services), **resumable}),
            upload.post("/", json=source, headers=bearer(services)),
        ]

    for refused in begin(UNKNOWN):
        assert_problem(refused, 400, code="bad_option")
    assert [answer.status_code for answer in begin(URL)] == [201, 202]
    with services.database.read() as connection:
        assert connection.scalars(sa.select(jobs.c.webhook)).all() == 2 * [mine.id]


def test_an_upload_that_is_repeated_after_its_webhook_was_removed_is_the_same_job(
    function: Call, services: Services, publisher: RecordingPublisher
) -> None:
    mine, upload = endpoint(services, URL, all_jobs=False), function("upload")
    tus, source = Tus.of(function, services), {"url": "https://example.org/a.mp4", "webhook": mine.id}

    def keyed(key: str) -> dict[str, str]:
        return {**bearer(services), "Idempotency-Key": f'"{key}"'}

    def send() -> list[Any]:
        form = {"webhook": mine.id, "file": (io.BytesIO(MP4), "a.mp4")}
        return [
            upload.post("/", query_string={"webhook": mine.id}, data=MP4, headers=keyed("raw")),
            upload.post("/", data=form, headers=keyed("form")),
            upload.post("/", json=source, headers=keyed("import")),
            tus.create(Idempotency_Key='"part"', Upload_Metadata=metadata(webhook=mine.id)),
            tus.create(len(MP4), data=MP4, Idempotency_Key='"whole"', Upload_Metadata=metadata(webhook=mine.id)),
        ]

    def results(answers: list[Any]) -> list[tuple[int, str]]:
        return [(answer.status_code, answer.headers["Location"]) for answer in answers]

    first = results(send())
    services.webhooks.remove(mine)
    assert results(send()) == first
    with services.database.read() as connection:
        assert len(connection.scalars(sa.select(jobs.c.id)).all()) == len(first) == len(set(first))


def test_functions_of_an_older_release_find_no_option_that_they_do_not_know(
    function: Call, services: Services, publisher: RecordingPublisher
) -> None:
    mine = endpoint(services, URL, all_jobs=False)
    query = {"webhook": mine.id, "format": "m4a"}
    answer = function("upload").post("/", query_string=query, data=MP4, headers=bearer(services))
    assert answer.json["options"]["webhook"] == mine.id
    with services.database.read() as connection:
        (stored,) = connection.execute(sa.select(jobs.c.options, jobs.c.webhook)).all()
    assert (AudioOptions.from_json(stored.options).format, stored.webhook) == ("m4a", mine.id)
    assert "webhook" not in stored.options
