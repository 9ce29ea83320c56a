"""The span of a request: its place in a trace, and what it tells about the request."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import structlog
from cloudevents.core.v1.event import CloudEvent
from flask import Request
from flask.typing import ResponseReturnValue

from devservers.otlp_receiver import OtlpReceiver, ReceivedSpan
from soundlift.common.errors import StoreUnavailable
from soundlift.common.events import to_http
from soundlift.common.services import Services
from soundlift.common.web.application import Function, event_function, http_function
from tests.fixtures.functions import Client
from tests.tracing.conftest import Finish

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = f"00-{TRACE}-{PARENT}-01"
OTHER_TRACE = "00-11111111111111111111111111111111-2222222222222222-01"
JOB_ID = "5f1d7f3e9b2c4d6e8f0a1b2c"


def show(request: Request, services: Services, **variables: str) -> ResponseReturnValue:
    services.jobs.find(JOB_ID)
    structlog.contextvars.bind_contextvars(job_id=JOB_ID)
    return str(structlog.contextvars.get_contextvars()["trace_id"])


def fail(request: Request, services: Services) -> ResponseReturnValue:
    raise StoreUnavailable("secret words of a store")


def receive(event: CloudEvent, services: Services) -> CloudEvent | None:
    return None


@pytest.fixture
def spans(tracing: Finish, receiver: OtlpReceiver) -> Callable[[], list[ReceivedSpan]]:
    """Return a function that ends the recording and returns the spans, in the order of their beginnings."""

    def finish() -> list[ReceivedSpan]:
        tracing()
        return sorted(receiver.spans, key=lambda span: span.began)

    return finish


Spans = Callable[[], list[ReceivedSpan]]


def client(app: Function) -> Client:
    app.test_client_class = Client
    made = app.test_client()
    assert isinstance(made, Client)
    return made


def event(traceparent: str | None) -> CloudEvent:
    attributes = {"specversion": "1.0", "id": f"{JOB_ID}.uploaded", "source": "/soundlift", "type": "dev.soundlift.x"}
    return CloudEvent(attributes | ({"traceparent": traceparent} if traceparent else {}), {"job_id": JOB_ID})


def test_a_request_continues_its_caller_s_trace_and_its_statements_are_steps_of_it(
    services: Services, spans: Spans
) -> None:
    app = http_function(show, methods=["GET"], services=services)
    logged = client(app).get("/secret-path?secret=query", headers={"traceparent": CALLER}).text
    request, begin, select = spans()
    assert (request.trace_id, request.parent_id, logged) == (TRACE, PARENT, TRACE)
    assert {begin.parent_id, select.parent_id} == {request.span_id}
    assert request.began <= begin.began <= select.ended <= request.ended
    assert (request.name, request.kind, request.failed) == ("GET /show", "SERVER", False)
    assert request.attributes == {
        "http.request.method": "GET",
        "http.route": "/show",
        "url.path": "/show/*",
        "url.scheme": "http",
        "faas.name": "show",
        "http.response.status_code": 200,
        "soundlift.job_id": JOB_ID,
    }
    assert select.attributes["db.query.text"].endswith("WHERE job.id = ?")


def test_a_path_shows_the_ids_of_jobs_and_nothing_else_that_a_client_chose(services: Services, spans: Spans) -> None:
    app = Function("jobs", services=services)
    app.handle("/<job_id>/link", show, methods=["GET"])
    paths = [f"/{JOB_ID}/link", "/ada@example.org/link", "/else/ada@example.org"]
    for path in paths:
        client(app).get(path)
    shown = [span.attributes["url.path"] for span in spans() if span.kind == "SERVER"]
    assert shown == [f"/jobs/{JOB_ID}/link", "/jobs/*/link", "/jobs/*"]


def test_a_request_without_a_valid_context_begins_a_trace_which_the_logs_name(services: Services, spans: Spans) -> None:
    app = http_function(show, methods=["GET"], services=services)
    logged = [client(app).get("/", headers={"traceparent": text}).text for text in ("", "00-secret-words-01")]
    roots = [span for span in spans() if span.kind == "SERVER"]
    assert [span.trace_id for span in roots] == logged
    assert [span.parent_id for span in roots] == ["", ""]


def test_a_failed_request_has_its_status_and_no_words_of_the_error(
    services: Services, spans: Spans, receiver: OtlpReceiver
) -> None:
    client(http_function(fail, methods=["GET"], services=services)).get("/")
    (request,) = spans()
    assert (request.failed, request.attributes["http.response.status_code"]) == (True, 503)
    assert request.attributes["error.type"] == "503"
    assert b"secret words" not in b"".join(receiver.bodies)


def test_health_checks_are_not_recorded(services: Services, spans: Spans) -> None:
    app = http_function(show, methods=["GET"], services=services)
    assert client(app).get("/_/health").status_code == 200
    assert spans() == []


@pytest.mark.parametrize(
    ("header", "own", "parent", "links"),
    [
        (CALLER, f"00-{TRACE}-1111111111111111-01", PARENT, ["1111111111111111"]),
        (OTHER_TRACE, CALLER, PARENT, [PARENT, "2222222222222222"]),
        ("", CALLER, PARENT, [PARENT]),
        (CALLER, None, PARENT, []),
    ],
    ids=["of one trace", "of two traces", "only the event's", "only the request's"],
)
def test_the_span_of_an_event_is_in_the_event_s_trace_and_linked_to_it(
    services: Services, spans: Spans, header: str, own: str | None, parent: str, links: list[str]
) -> None:
    headers, body = to_http(event(own))
    app = event_function(receive, services=services)
    client(app).post("/", data=body, headers={**headers, "traceparent": header})
    (request,) = spans()
    assert (request.trace_id, request.parent_id) == (TRACE, parent)
    assert [span_id for _, span_id in request.links] == links
    assert request.attributes["cloudevents.event_id"] == f"{JOB_ID}.uploaded"


def test_a_request_without_a_readable_event_is_recorded_too(services: Services, spans: Spans) -> None:
    app = event_function(receive, services=services)
    client(app).post("/", data="no event", headers={"traceparent": CALLER})
    (request,) = spans()
    assert (request.parent_id, request.attributes["http.response.status_code"]) == (PARENT, 400)
