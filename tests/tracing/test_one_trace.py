"""One trace contains the way of a video from its upload to the mail, whatever processes it passes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest

from devservers.local_stack import Stack
from devservers.mariadb import MariaDb
from devservers.otlp_receiver import OtlpReceiver, ReceivedSpan
from devservers.rabbitmq import RabbitMq
from devservers.waiting import wait_for
from soundlift.client import Client
from soundlift.client.job import Job
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.accounts import PASSWORD, SECRET
from tests.factories.clips import talking_mp4
from tests.fixtures.local_stack import starting

pytestmark = pytest.mark.servers

EMAIL = "ada.private@example.org"
NAME = "my secret holiday.mp4"
TOKEN = "a-token-of-the-collector"
STEPS = {
    "POST /upload",
    "videos.create",
    "videos.commit",
    "publish dev.soundlift.video.uploaded",
    "process video",
    "POST /convert",
    "convert",
    "probe",
    "encode",
    "finish",
    "mp3s.create",
    "mp3s.commit",
    "publish dev.soundlift.mp3.ready",
    "process mp3",
    "POST /notify",
    "send mail",
}


@pytest.fixture(scope="module", params=["embedded", "rabbitmq"])
def servers(request: pytest.FixtureRequest) -> Mapping[str, str]:
    if request.param == "embedded":
        return {}
    mariadb: MariaDb = request.getfixturevalue("mariadb_server")
    rabbitmq: RabbitMq = request.getfixturevalue("rabbitmq_node")
    return {"DATABASE_URL": mariadb.url(mariadb.new_database()), "BROKER_URL": rabbitmq.new_virtual_host()}


@pytest.fixture(scope="module")
def receiver(servers: Mapping[str, str]) -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, receiver: OtlpReceiver, servers: Mapping[str, str], password_hash: str
) -> Iterator[Stack]:
    """Run a stack with one user, whose spans go to the receiver."""
    traces = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{TOKEN}",
    }
    with starting(tmp_path_factory) as start:
        stack = start(**servers, **traces)
        settings = {**servers, "SOUNDLIFT_DATA": str(stack.data), "JWT_SECRET": SECRET}
        services = Services(Settings.from_environment(settings))
        services.users.add(EMAIL, password_hash)
        services.database.engine.dispose()
        yield stack


@pytest.fixture(scope="module")
def job(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Upload a video, wait until its mail is sent, and download the audio file."""
    client = Client(stack.url, email=EMAIL, password=PASSWORD)
    folder = tmp_path_factory.mktemp("video")
    job = client.upload(talking_mp4(folder), name=NAME)
    job = client.wait(job.id, timeout=60)
    assert job.state == "ready"
    client.download(job, folder / "a.mp3")
    wait_for(lambda: list((stack.data / "mail" / "new").glob("*")), "the mail arrives")
    return job


@pytest.fixture(scope="module")
def trace(receiver: OtlpReceiver, job: Job) -> list[ReceivedSpan]:
    """Return the spans of the upload's trace."""

    def complete() -> list[ReceivedSpan]:
        uploads = [span for span in receiver.spans if span.name == "POST /upload"]
        found = receiver.trace(uploads[0].trace_id) if uploads else []
        return found if {span.name for span in found} >= STEPS else []

    return wait_for(complete, "all steps have arrived: " + ", ".join(sorted(STEPS)))


def test_one_trace_contains_each_step_from_the_upload_to_the_mail(trace: list[ReceivedSpan]) -> None:
    names = [span.name for span in trace]
    assert STEPS <= set(names)
    for name in ("convert", "probe", "send mail"):
        assert names.count(name) == 1
    assert {span.service for span in trace} == {"soundlift-gateway", "soundlift-connector"}
    assert not [span.name for span in trace if span.failed]


def test_the_steps_are_connected_to_the_upload_which_is_the_only_root(trace: list[ReceivedSpan]) -> None:
    spans = {span.span_id: span for span in trace}
    (root,) = (span for span in trace if not span.parent_id)
    assert root.name == "POST /upload"
    assert {span.parent_id for span in trace} - {""} <= spans.keys()
    ways = {name: _way(span, spans) for span in trace for name in [span.name]}
    assert ways["probe"] == ["POST /upload", "process video", "POST /convert", "convert", "probe"]
    assert ways["send mail"] == ["POST /upload", "process mp3", "POST /notify", "send mail"]
    assert ways["publish dev.soundlift.mp3.ready"][-2:] == ["process video", "publish dev.soundlift.mp3.ready"]


def test_deliveries_and_requests_are_linked_to_the_event_that_they_process(trace: list[ReceivedSpan]) -> None:
    (upload,) = (span for span in trace if span.name == "POST /upload")
    processing = [
        span for span in trace if span.name in ("process video", "process mp3", "POST /convert", "POST /notify")
    ]
    assert [list(span.links) for span in processing] == [[(upload.trace_id, upload.span_id)]] * len(processing)


def test_the_attributes_follow_the_semantic_conventions(
    trace: list[ReceivedSpan], job: Job, servers: Mapping[str, str]
) -> None:
    by_name = {span.name: span for span in trace}
    request = {"http.request.method": "POST", "url.path": "/upload/", "http.response.status_code": 202}
    assert by_name["POST /upload"].attributes.items() >= {**request, "soundlift.job_id": job.id}.items()
    assert by_name["process video"].kind == "CONSUMER"
    assert (
        by_name["process video"].attributes.items()
        >= {
            "messaging.system": "rabbitmq" if servers else "sqlite",
            "messaging.destination.name": "video",
            "messaging.operation.type": "process",
            "cloudevents.event_id": f"{job.id}.uploaded",
        }.items()
    )
    statements = [span.attributes for span in trace if "db.query.text" in span.attributes]
    assert {"INSERT", "UPDATE", "SELECT"} <= {attributes["db.operation.name"] for attributes in statements}
    assert {attributes["db.system.name"] for attributes in statements} == {"mariadb" if servers else "sqlite"}


def test_no_span_contains_a_user_a_file_name_a_token_a_password_or_a_query(
    receiver: OtlpReceiver, trace: list[ReceivedSpan], job: Job
) -> None:
    wait_for(lambda: [span for span in receiver.spans if span.name == "GET /download"], "the download has arrived")
    secrets = [EMAIL, EMAIL.partition("@")[0], NAME, "holiday", PASSWORD, SECRET, "Bearer", "eyJ", TOKEN]
    sent = b"\n".join(receiver.bodies)
    assert not [secret for secret in secrets if secret.encode() in sent]
    values = [value for span in receiver.spans for name, value in span.attributes.items() if name != "db.query.text"]
    assert not [value for value in values if "?" in str(value) or "@" in str(value)]


def test_the_collector_gets_its_own_headers(receiver: OtlpReceiver, trace: list[ReceivedSpan]) -> None:
    assert {headers["authorization"] for headers in receiver.headers} == {f"Bearer {TOKEN}"}


def test_every_log_line_about_the_job_has_the_trace_id_of_the_spans(
    stack: Stack, trace: list[ReceivedSpan], job: Job
) -> None:
    lines = [
        json.loads(line)
        for log in (stack.data / "logs").glob("*.log")
        for line in log.read_text().splitlines(keepends=True)
        if line.startswith("{") and line.endswith("\n")  # the last one may be only partly written
    ]
    about = [line for line in lines if job.id in json.dumps(line) and "jobs" not in str(line.get("function"))]
    events = {(line.get("function"), line["event"]) for line in about}
    expected = {("upload", "request"), ("convert", "converted"), ("convert", "request"), ("notify", "request")}
    assert events >= {*expected, ("convert", "delivered"), ("notify", "delivered")}
    by_trace = {line["trace_id"] for line in about if line.get("function") in ("upload", "convert", "notify")}
    assert by_trace == {trace[0].trace_id}
    assert {line["job_id"] for line in about} == {job.id}


def _way(span: ReceivedSpan, spans: Mapping[str, ReceivedSpan]) -> list[str]:
    """Return the names of the spans from the root to this one."""
    names = [span.name]
    while span.parent_id:
        span = spans[span.parent_id]
        names.insert(0, span.name)
    return names
