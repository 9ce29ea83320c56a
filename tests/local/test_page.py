"""The gateway of `up` serves the page at / and at the paths of its function."""

from __future__ import annotations

import re

import pytest
import urllib3

from devservers.local_stack import Stack, Start
from soundlift.common.web.security_headers import HEADERS
from tests.local.test_up import FUNCTIONS

pytestmark = pytest.mark.servers

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
OTHER_PAGE = "https://app.example.org"
PATHS = ["/", "/web/", "/function/web/", "/function/web.openfaas-fn/"]


@pytest.fixture(scope="module")
def stack(start: Start) -> Stack:
    return start(CORS_ORIGINS=OTHER_PAGE)


def get(stack: Stack, path: str, accept: str | None = None, method: str = "GET") -> urllib3.BaseHTTPResponse:
    headers = {"Connection": "close", **({"Accept": accept} if accept else {})}
    return urllib3.request(method, stack.url + path, headers=headers, retries=False, timeout=30, redirect=False)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("accept", [None, "*/*", BROWSER])
def test_the_page_and_its_files_are_at_the_root_and_at_the_paths_of_the_function(
    stack: Stack, path: str, accept: str | None
) -> None:
    index = get(stack, path, accept)
    assert (index.status, index.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    files = re.findall(r'(?:src|href)="([^"]+)"', index.data.decode())
    assert files
    for file in files:
        assert get(stack, path + file, "*/*").status == 200
    assert get(stack, path, accept, "HEAD").status == 200


@pytest.mark.parametrize("path", ["/web", "/function/web", "/function/web.openfaas-fn"])
def test_an_address_without_its_final_slash_redirects(stack: Stack, path: str) -> None:
    answer = get(stack, path, BROWSER)
    assert (answer.status, answer.headers["Location"]) == (308, f"{path}/")


@pytest.mark.parametrize("path", ["/", "/nothing", "/function/nothing"])
def test_a_program_that_wants_json_gets_the_list_of_functions(stack: Stack, path: str) -> None:
    answer = get(stack, path, "application/json")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert set(re.findall(r"\w+", answer.json()["detail"])) >= FUNCTIONS


@pytest.mark.parametrize("path", ["/nothing", "/function/nothing", "/web/nothing", "//evil.example/"])
def test_a_browser_gets_a_page_for_an_unknown_path(stack: Stack, path: str) -> None:
    answer = get(stack, path, BROWSER)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("path", ["/system/functions", "/cleanup", "/function/cleanup"])
def test_a_browser_without_the_login_is_refused_as_any_client(stack: Stack, path: str) -> None:
    assert get(stack, path, BROWSER, "POST" if "cleanup" in path else "GET").status == 401


def test_the_gateway_s_own_health_check_is_not_the_page(stack: Stack) -> None:
    assert get(stack, "/healthz", BROWSER).data == b"OK"
    assert get(stack, "/", BROWSER, "POST").status == 405


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET HEAD OPTIONS"),
        ("/app.js", "GET HEAD OPTIONS"),
        ("/healthz", "GET HEAD OPTIONS"),
        ("/web", "GET HEAD OPTIONS"),
        ("/upload", "DELETE GET HEAD OPTIONS POST"),
        ("/function/upload", "DELETE GET HEAD OPTIONS POST"),
    ],
)
def test_every_path_of_the_gateway_names_its_methods(stack: Stack, path: str, allowed: str) -> None:
    for method, status in (("OPTIONS", 204), ("TRACE", 405), ("PATCH", 405)):
        answer = get(stack, path, BROWSER, method)
        assert (answer.status, sorted(answer.headers["Allow"].split(", "))) == (status, allowed.split())


def test_an_internal_function_names_its_methods_to_nobody_without_the_login(stack: Stack) -> None:
    assert get(stack, "/function/cleanup", BROWSER, "OPTIONS").status == 401


def test_the_gateway_s_own_responses_have_the_security_headers(stack: Stack) -> None:
    for path in ("/", "/web", "/healthz", "/system/functions", "/nothing", "/function/cleanup"):
        answer = get(stack, path, "application/json")
        assert {answer.headers.get(name) for name in HEADERS} == set(HEADERS.values()), path


@pytest.mark.parametrize("path", ["/docs", "/openapi.yaml", "/web/docs", "/function/web/openapi.yaml"])
def test_the_description_of_the_api_is_for_every_client_and_read_only(stack: Stack, path: str) -> None:
    for accept in (None, "application/json", BROWSER):
        answer = get(stack, path, accept)
        assert answer.status == 200
        assert answer.headers["Content-Type"] in ("application/yaml", "text/html; charset=utf-8")
    assert get(stack, path, method="POST").status == 405


@pytest.mark.parametrize(("path", "granted"), [("/jobs", True), ("/function/upload", True), ("/login/refresh", False)])
def test_the_setting_opens_the_api_to_another_page_but_not_the_session(stack: Stack, path: str, granted: bool) -> None:
    headers = {"Origin": OTHER_PAGE, "Access-Control-Request-Method": "POST", "Connection": "close"}
    answer = urllib3.request("OPTIONS", stack.url + path, headers=headers, retries=False, timeout=30)
    assert answer.headers.get("Access-Control-Allow-Origin") == (OTHER_PAGE if granted else None)
