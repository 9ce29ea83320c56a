"""The application around every handler: methods, paths, size limits, and errors as problem documents."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from io import BytesIO

import pytest
from flask import Request, jsonify
from flask.typing import ResponseReturnValue
from structlog.testing import capture_logs

from soundlift.common.errors import Busy, NotFound, SoundliftError
from soundlift.common.services import Services
from soundlift.common.web.application import http_function
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
SECRET = "sqlite:////data/secret.db"


def broken_request(request: Request, services: Services) -> ResponseReturnValue:
    raise RuntimeError(SECRET)


@pytest.mark.parametrize("name", ["validate", "jobs", "download"])
def test_an_unsupported_method_is_answered_405_with_the_allowed_methods(function: Call, name: str) -> None:
    response = function(name).put("/")
    assert_problem(response, 405, code="method_not_allowed")
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("name", "path", "allowed"),
    [
        ("login", "/", {"POST", "OPTIONS"}),
        ("validate", "/some/path", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("convert", "/_/health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_function_lists_its_allowed_methods(function: Call, name: str, path: str, allowed: set[str]) -> None:
    assert set(function(name).options(path).allow or ()) == allowed
    assert set(function(name).put(path).allow or ()) == allowed


@pytest.mark.parametrize(
    ("methods", "allowed"),
    [
        (["POST"], {"POST", "OPTIONS"}),
        (["GET", "DELETE"], {"GET", "HEAD", "DELETE", "OPTIONS"}),
    ],
)
def test_a_function_also_allows_the_methods_implied_by_its_own(
    services: Services, methods: list[str], allowed: set[str]
) -> None:
    client = http_function(lambda request, services: "OK", methods=methods, services=services).test_client()
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        assert client.open("/", method=method).status_code == (200 if method in allowed else 405)
    assert client.options("/").status_code == 204
    assert set(client.options("/").allow) == set(client.put("/").allow) == allowed


@pytest.mark.parametrize("path", ["/", "/some/path", "/trailing/", "//", "//two//slashes", "/_", "/_x/", "/a\nb"])
def test_a_function_answers_every_path(services: Services, path: str) -> None:
    client = http_function(lambda request, services: "OK", methods=["GET"], services=services).test_client()
    assert client.get("/", environ_overrides={"PATH_INFO": path}).status_code == 200


@pytest.mark.parametrize("host", ["a..b", "a" * 300])
def test_a_malformed_host_is_answered_with_a_problem_document(function: Call, host: str) -> None:
    assert_problem(function("validate").get("/", headers={"Host": host}), 400)


def test_a_body_over_the_limit_is_rejected(function: Call) -> None:
    response = function("login").post("/", data=b" " * (2**20 + 1), content_type="application/json")
    assert_problem(response, 413)


def test_a_chunked_body_over_the_limit_is_rejected(function: Call) -> None:
    body = BytesIO(b" " * 2**15)
    response = function("login").post("/", input_stream=body, environ_overrides={"wsgi.input_terminated": True})
    assert_problem(response, 413)


def test_an_unexpected_error_is_answered_500_with_its_trace_id(services: Services) -> None:
    client = http_function(broken_request, methods=["GET"], services=services).test_client()
    response = client.get("/", headers={"traceparent": TRACEPARENT})
    assert_problem(response, 500, code="internal_error")
    assert TRACE_ID in response.json["detail"]
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("error", "logged"), [(SoundliftError("a", cause="b"), True), (Busy("a", cause="b"), False), (NotFound("a"), False)]
)
def test_only_server_errors_are_logged_with_their_evidence(
    services: Services, error: SoundliftError, logged: bool
) -> None:
    def refuse(request: Request, services: Services) -> ResponseReturnValue:
        raise error

    with capture_logs() as logs:
        response = http_function(refuse, methods=["GET"], services=services).test_client().get("/")
    assert response.status_code == error.status
    lines = [(line["detail"], line["cause"]) for line in logs if line["event"] == error.code]
    assert lines == ([("a", "b")] if logged else [])


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_infinity_and_nan_in_a_response_are_an_error(services: Services, number: float) -> None:
    def show_number(request: Request, services: Services) -> ResponseReturnValue:
        return jsonify(number=number)

    app = http_function(show_number, methods=["GET"], services=services)
    assert_problem(app.test_client().get("/"), 500, code="internal_error")


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_infinity_and_nan_are_logged_as_strings(number: float) -> None:
    script = (
        "import structlog\nfrom soundlift.common.logging import set_up_logging\nset_up_logging('info')\n"
        f"structlog.get_logger().info('seen', seconds=float('{number}'), nested=dict(items=[float('{number}'), 1.5]))"
    )
    line = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    fields = json.loads(line, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    assert (fields["event"], fields["seconds"], fields["nested"]) == (
        "seen",
        str(number),
        {"items": [str(number), 1.5]},
    )
