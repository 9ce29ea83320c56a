"""The application around every handler: health checks, errors as problem documents, concurrency limit."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from cloudevents.core.v1.event import CloudEvent
from flask import Request, Response, jsonify
from flask.typing import ResponseReturnValue
from structlog.testing import capture_logs
from werkzeug.test import create_environ

from soundlift.common.errors import Busy, NotFound, SettingError, SoundliftError
from soundlift.common.events import from_http
from soundlift.common.logging import trace_id
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.common.web.application import event_function, http_function
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

HTTP_FUNCTIONS = ["login", "validate", "upload", "download", "jobs", "cleanup"]
EVENT_FUNCTIONS = ["convert", "notify"]
EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/test", "ce-type": "test"}
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
SECRET = "sqlite:////data/secret.db"


def broken_request(request: Request, services: Services) -> ResponseReturnValue:
    raise RuntimeError(SECRET)


def broken_event(event: CloudEvent, services: Services) -> CloudEvent | None:
    raise RuntimeError(SECRET)


def unset(request: Request, services: Services) -> ResponseReturnValue:
    return str(services.tokens)


@pytest.mark.parametrize("name", [*HTTP_FUNCTIONS, *EVENT_FUNCTIONS])
def test_a_function_is_alive_while_its_services_are_unavailable(
    function: Call, services: Services, tmp_path: Path, name: str
) -> None:
    services.settings = replace(services.settings, media_url=f"file://{tmp_path}/none", smtp_url="smtp://127.0.0.1:1")
    response = function(name).get("/_/health")
    assert (response.status_code, response.text) == (200, "OK")


@pytest.mark.parametrize("name", [*HTTP_FUNCTIONS, "convert"])
def test_a_function_is_ready_when_its_services_are_available(function: Call, services: Services, name: str) -> None:
    response = function(name).get("/_/ready")
    assert (response.status_code, response.text) == (200, "OK")


@pytest.mark.parametrize("name", ["upload", "download", "convert", "cleanup"])
def test_a_function_is_not_ready_while_its_media_store_is_unavailable(
    function: Call, services: Services, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()
    services.settings = replace(services.settings, media_url=f"file://{tmp_path}/file")
    assert_problem(function(name).get("/_/ready"), 503, code="store_unavailable")


@pytest.mark.parametrize("name", ["login", "upload", "download", "jobs", "notify", "cleanup", "convert"])
def test_a_function_is_not_ready_while_the_database_is_unavailable(
    function: Call, settings: Settings, tmp_path: Path, name: str, services: Services
) -> None:
    away = Services(replace(settings, database_url=f"sqlite:///{tmp_path}/none/soundlift.db"))
    client = function(name)
    client.application.services = away  # type: ignore[attr-defined] # Flask does not know which application it is
    with capture_logs() as logs:
        assert_problem(client.get("/_/ready"), 503, code="database_unavailable")
    (cause,) = [line["cause"] for line in logs if line["event"] == "database_unavailable"]
    assert cause == "unable to open database file", "one line, without the library's link"
    away.database.engine.dispose()


@pytest.mark.parametrize("name", ["validate", "login"])
def test_a_function_that_needs_no_media_is_ready_without_it(
    function: Call, services: Services, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()
    services.settings = replace(services.settings, media_url=f"file://{tmp_path}/file")
    assert function(name).get("/_/ready").status_code == 200


@pytest.mark.parametrize("name", ["validate", "jobs", "download"])
def test_another_method_is_answered_405_with_the_allowed_ones(function: Call, name: str) -> None:
    response = function(name).put("/")
    assert_problem(response, 405, code="method_not_allowed")
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize("name", EVENT_FUNCTIONS)
def test_an_event_is_accepted_by_post_only(function: Call, name: str) -> None:
    assert_problem(function(name).get("/"), 405, code="method_not_allowed")


@pytest.mark.parametrize(
    ("name", "path", "allowed"),
    [
        ("login", "/", {"POST", "OPTIONS"}),
        ("validate", "/some/path", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("convert", "/_/health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_function_lists_its_methods(function: Call, name: str, path: str, allowed: set[str]) -> None:
    assert set(function(name).options(path).allow or ()) == allowed
    assert set(function(name).put(path).allow or ()) == allowed


@pytest.mark.parametrize(
    ("methods", "allowed"),
    [
        (["POST"], {"POST", "OPTIONS"}),
        (["GET", "DELETE"], {"GET", "HEAD", "DELETE", "OPTIONS"}),
    ],
)
def test_a_function_allows_its_methods_and_those_they_imply(
    services: Services, methods: list[str], allowed: set[str]
) -> None:
    client = http_function(lambda request, services: "OK", methods=methods, services=services).test_client()
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        assert client.open("/", method=method).status_code == (200 if method in allowed else 405)
    assert set(client.options("/").allow) == set(client.put("/").allow) == allowed


@pytest.mark.parametrize("path", ["/", "/some/path", "/trailing/", "//", "//two//slashes", "/_", "/_x/", "/a\nb"])
def test_a_function_answers_every_path(services: Services, path: str) -> None:
    client = http_function(lambda request, services: "OK", methods=["GET"], services=services).test_client()
    assert client.get("/", environ_overrides={"PATH_INFO": path}).status_code == 200


def test_below_health_no_other_path_is_answered(function: Call) -> None:
    assert_problem(function("convert").post("/_/health"), 405)
    assert_problem(function("convert").post("/_/other"), 404)


@pytest.mark.parametrize("host", ["a..b", "a" * 300])
def test_a_malformed_host_is_a_problem(function: Call, host: str) -> None:
    assert_problem(function("validate").get("/", headers={"Host": host}), 400)


@pytest.mark.parametrize("path", ["/_/health", "/_/ready"])
def test_health_is_read_only(function: Call, path: str) -> None:
    assert_problem(function("validate").delete(path), 405)


def test_a_body_over_the_limit_is_rejected(function: Call) -> None:
    response = function("login").post("/", data=b" " * (2**20 + 1), content_type="application/json")
    assert_problem(response, 413)


def test_a_chunked_body_over_the_limit_is_rejected(function: Call) -> None:
    body = BytesIO(b" " * 2**15)
    response = function("login").post("/", input_stream=body, environ_overrides={"wsgi.input_terminated": True})
    assert_problem(response, 413)


def test_an_unexpected_error_is_answered_500_with_the_trace_id_of_its_log_line(services: Services) -> None:
    client = http_function(broken_request, methods=["GET"], services=services).test_client()
    response = client.get("/", headers={"traceparent": TRACEPARENT})
    assert_problem(response, 500, code="internal_error")
    assert TRACE_ID in response.json["detail"]
    assert "secret" not in response.text


def test_an_unexpected_error_in_handling_an_event_is_answered_503(services: Services) -> None:
    app = event_function(broken_event, services=services)
    response = app.test_client().post("/", headers=EVENT, data=b"{}", content_type="application/json")
    assert_problem(response, 503, code="internal_error")
    assert "secret" not in response.text


def test_an_event_is_handled_with_services_and_trace_and_answered_with_the_returned_event(
    services: Services,
) -> None:
    def reply(event: CloudEvent, given: Services) -> CloudEvent:
        assert given is services
        attributes = {"specversion": "1.0", "id": "2", "source": "/reply", "type": "reply"}
        return CloudEvent(attributes, {"trace": trace_id(), "got": event.get_data()})

    client = event_function(reply, services=services).test_client()
    other = f"00-{TRACE_ID[::-1]}-00f067aa0ba902b7-01"
    large = {"text": "a" * 2**19}
    for trace in ({"ce-traceparent": TRACEPARENT, "traceparent": other}, {"traceparent": TRACEPARENT}):
        response = client.post("/", headers={**EVENT, **trace}, json=large)
        assert response.status_code == 200
        event = from_http(dict(response.headers), response.data)
        assert (event.get_id(), event.get_type(), event.get_source()) == ("2", "reply", "/reply")
        assert event.get_data() == {"trace": TRACE_ID, "got": large}


def test_an_event_over_the_limit_is_rejected(services: Services) -> None:
    client = event_function(broken_event, services=services).test_client()
    assert_problem(client.post("/", headers=EVENT, json={"text": "a" * 2**20}), 413)


def test_an_event_without_a_reply_is_answered_204(services: Services) -> None:
    client = event_function(lambda event, services: None, services=services).test_client()
    response = client.post("/", headers=EVENT, json={})
    assert (response.status_code, response.data) == (204, b"")


def test_unusable_events_are_counted_in_the_log(services: Services) -> None:
    client = event_function(broken_event, services=services).test_client()
    with capture_logs() as logs:
        for _ in range(2):
            assert_problem(client.post("/", json={}), 400)
    assert [line["count"] for line in logs if line["event"] == "unusable event"] == [1, 2]


@pytest.mark.parametrize(
    ("error", "logged"), [(SoundliftError("a", cause="b"), True), (Busy("a", cause="b"), False), (NotFound("a"), False)]
)
def test_a_server_error_is_logged_with_its_evidence_and_a_client_error_is_not(
    services: Services, error: SoundliftError, logged: bool
) -> None:
    def refuse(request: Request, services: Services) -> ResponseReturnValue:
        raise error

    with capture_logs() as logs:
        response = http_function(refuse, methods=["GET"], services=services).test_client().get("/")
    assert response.status_code == error.status
    lines = [(line["detail"], line["cause"]) for line in logs if line["event"] == error.code]
    assert lines == ([("a", "b")] if logged else [])


def test_a_missing_setting_is_named_to_the_operator_but_not_to_a_client(settings: Settings) -> None:
    services = Services(replace(settings, jwt_secret=""))
    with pytest.raises(SettingError, match="JWT_SECRET is missing"):
        services.check("tokens")
    response = http_function(unset, methods=["GET"], services=services).test_client().get("/")
    assert (response.status_code, response.json and response.json["code"]) == (503, "bad_setting")
    assert "JWT_SECRET" not in response.text


def test_a_function_does_not_start_without_a_setting_that_it_needs(settings: Settings) -> None:
    services = Services(replace(settings, jwt_secret=""))
    http_function(unset, methods=["GET"], needs=["videos"], services=services).open_services()
    with pytest.raises(SettingError, match="JWT_SECRET is missing"):
        http_function(unset, methods=["GET"], needs=["videos", "tokens"], services=services).open_services()
    with pytest.raises(SettingError, match="JWT_SECRET is missing"):
        event_function(broken_event, needs=["tokens"], services=services).open_services()


@pytest.mark.parametrize(
    ("name", "value"),
    [("JWT_SECRET", "short"), ("MAX_UPLOAD_BYTES", "0"), ("PUBLIC_URL", "ftp://x"), ("AUDIO_BITRATE", "999k")],
)
def test_a_malformed_setting_is_named_in_one_sentence(name: str, value: str) -> None:
    with pytest.raises(SettingError) as caught:
        Settings.from_environment({name: value})
    assert caught.value.detail.startswith(f"Setting {name}: ")
    assert (value in caught.value.detail) == (name != "JWT_SECRET")


def test_a_request_over_the_limit_is_answered_429_until_a_response_is_closed(services: Services) -> None:
    services.settings = replace(services.settings, threads=1)
    app = http_function(lambda request, services: Response(iter([b"a", b"b"])), methods=["GET"], services=services)
    with app.test_client().get("/"):
        refused = app.test_client().get("/")
        assert_problem(refused, 429, code="busy")
        assert refused.headers["Retry-After"] == "1"
        assert app.test_client().get("/_/health").status_code == 200
    assert app.test_client().get("/", buffered=True).status_code == 200


def test_a_request_whose_response_cannot_be_started_does_not_count_any_more(services: Services) -> None:
    services.settings = replace(services.settings, threads=1)
    app = http_function(lambda request, services: "OK", methods=["GET"], services=services)

    def refuse(status: str, headers: object) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        app(create_environ(), refuse)  # type: ignore[arg-type] # no server is as bad
    assert app.test_client().get("/").status_code == 200


def test_a_request_that_ends_in_an_unexpected_error_does_not_count_any_more(services: Services) -> None:
    services.settings = replace(services.settings, threads=1)
    client = http_function(broken_request, methods=["GET"], services=services).test_client()
    assert [client.get("/", buffered=True).status_code for _ in range(3)] == [500] * 3


@pytest.mark.parametrize(
    ("service", "missing"),
    [
        ("database", "Setting DATABASE_URL is missing"),
        ("videos", "Setting MEDIA_URL is missing"),
        ("broker", "Setting BROKER_URL is missing"),
        ("publisher", "Settings BROKER_URL and K_SINK are missing"),
    ],
)
def test_without_embedded_services_a_missing_address_is_an_error(service: str, missing: str) -> None:
    services = Services(Settings.from_environment({"EMBEDDED": "false"}))
    with pytest.raises(SettingError, match=missing):
        getattr(services, service)


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_a_response_with_a_number_that_json_does_not_have_is_an_error(services: Services, number: float) -> None:
    def endless(request: Request, services: Services) -> ResponseReturnValue:
        return jsonify(number=number)

    app = http_function(endless, methods=["GET"], services=services)
    assert_problem(app.test_client().get("/"), 500, code="internal_error")


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_a_log_line_with_a_number_that_json_does_not_have_is_json(number: float) -> None:
    script = (
        "import structlog\nfrom soundlift.common.logging import set_up_logging\nset_up_logging('info')\n"
        f"structlog.get_logger().info('seen', lost=float('{number}'), inside=dict(items=[float('{number}'), 1.5]))"
    )
    line = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    fields = json.loads(line, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert (fields["event"], fields["lost"], fields["inside"]) == ("seen", str(number), {"items": [str(number), 1.5]})
