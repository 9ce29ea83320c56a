"""HEAD, OPTIONS and methods that a path does not have, on every route of every function."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest
from flask.testing import FlaskClient

from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.common.web.application import Function
from soundlift.local.stack import read_stack
from tests.api.function_server import FunctionServer, read_response, served
from tests.factories.manifests import ROOT
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

FUNCTIONS = [entry.name for entry in read_stack(ROOT / "stack.yml")]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND"]


each_function = pytest.mark.parametrize("name", FUNCTIONS)


def paths(name: str) -> list[str]:
    """Return a path of each route of a function."""
    app: Function = import_module(f"functions.{name}.handler").app
    rules = [rule for rule in app.url_map.iter_rules() if not rule.rule.startswith("/_/")]
    urls = app.url_map.bind("localhost")
    built = [urls.build(rule.endpoint, dict.fromkeys(rule.arguments, "0" * 24)) for rule in rules]
    return ["/_/health", "/_/ready", *built]


def allowed(client: FlaskClient, path: str) -> set[str]:
    response = client.options(path)
    assert (response.status_code, response.data) == (204, b"")
    assert "Content-Type" not in response.headers
    return set(response.headers["Allow"].split(", "))


@each_function
def test_a_method_works_exactly_if_options_lists_it(function: Call, name: str) -> None:
    client = function(name)
    for path in paths(name):
        methods = allowed(client, path)
        assert "OPTIONS" in methods
        for method in METHODS:
            response = client.open(path, method=method)
            assert (response.status_code != 405) == (method in methods), method
            if response.status_code == 405:
                assert set(response.headers["Allow"].split(", ")) == methods
            if response.status_code == 405 and method != "HEAD":
                assert_problem(response, 405)


@each_function
def test_head_is_answered_as_get_without_a_body(function: Call, name: str) -> None:
    client = function(name)
    for path in paths(name):
        got, head = client.get(path), client.head(path)
        assert (head.status_code, head.data) == (got.status_code, b"")
        assert dict(head.headers) == dict(got.headers)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionServer]:
    settings = Settings.from_environment({"SOUNDLIFT_DATA": str(tmp_path_factory.mktemp("data"))})
    with served("upload", Services(settings)) as server:
        yield server


def test_an_unknown_path_has_no_methods(function: Call) -> None:
    assert_problem(function("login").options("/nothing"), 404)


@pytest.mark.servers
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("TRACE /", 405),
        ("CONNECT example.org:443", 405),
        ("PROPFIND /", 405),
        ("OPTIONS *", 204),
        ("OPTIONS http://a/", 204),
    ],
)
def test_no_method_s_response_contains_the_request(server: FunctionServer, line: str, expected: int) -> None:
    """TRACE would show a page the cookies that its scripts cannot read; CONNECT would make a server a proxy."""
    for _ in range(2):
        with server.connect(line, {"Cookie": "secret=1", "Max-Forwards": "0"}) as connection:
            status, headers, body = read_response(connection)
        assert status == expected
        assert "POST" in headers["allow"]
        assert "secret" not in f"{headers}{body!r}"
