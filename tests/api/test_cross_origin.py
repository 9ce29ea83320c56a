"""CORS: which pages of other origins may call which routes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from werkzeug.test import TestResponse

from soundlift.common.errors import SettingError
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from soundlift.common.web.cross_origin import REQUEST_HEADERS
from tests.factories.accounts import bearer
from tests.factories.jobs import ready_job
from tests.fixtures.functions import Call

APP, OTHER = "https://app.example.org", "https://other.example.org"
CALLABLE = [
    ("login", "/", "POST"),
    ("login", "/users", "GET"),
    ("validate", "/", "GET"),
    ("upload", "/", "POST"),
    ("download", "/", "GET"),
    ("jobs", "/", "GET"),
    ("jobs", "/abc", "DELETE"),
    ("jobs", "/events", "GET"),
    ("jobs", "/links", "POST"),
    ("hooks", "/", "POST"),
    ("hooks", "/abc/test", "POST"),
    ("download", "/", "POST"),
]
CLOSED = [
    ("login", "/refresh", "POST"),
    ("login", "/sign-out", "POST"),
    ("login", "/sign-up", "POST"),
    ("login", "/reset", "POST"),
    ("login", "/password", "POST"),
    ("web", "/", "GET"),
    ("convert", "/", "POST"),
    ("notify", "/", "POST"),
    ("fetch", "/", "POST"),
    ("webhook", "/", "POST"),
    ("cleanup", "/", "POST"),
    ("jobs", "/_/health", "GET"),
]


def allow(services: Services, *origins: str) -> None:
    services.settings = replace(services.settings, cors_origins=origins)


def preflight(function: Call, name: str, path: str, method: str, origin: str = APP) -> TestResponse:
    headers = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "range"}
    return function(name).options(path, headers=headers)


def cors_headers(response: TestResponse) -> dict[str, str]:
    return {name: value for name, value in response.headers if name.startswith("Access-Control-")}


def test_no_origin_is_allowed_by_default(function: Call) -> None:
    for name, path, method in [*CALLABLE, *CLOSED]:
        for response in (preflight(function, name, path, method), function(name).get(path, headers={"Origin": APP})):
            assert cors_headers(response) == {}
            assert "Origin" not in response.vary
            assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_preflight_request_of_an_allowed_origin_is_granted(function: Call, services: Services) -> None:
    allow(services, "https://first.example.org", APP)
    for name, path, method in CALLABLE:
        response = preflight(function, name, path, method)
        headers = cors_headers(response)
        assert (response.status_code, headers["Access-Control-Allow-Origin"]) == (204, APP)
        assert method in headers["Access-Control-Allow-Methods"].split(", ")
        assert headers["Access-Control-Allow-Headers"] == REQUEST_HEADERS
        assert int(headers["Access-Control-Max-Age"]) > 0
        assert "Access-Control-Allow-Credentials" not in headers
        assert "Origin" in response.vary


@pytest.mark.parametrize("origin", [OTHER, "null", f"{APP}.evil.example", "https://app.example.org:8443", f"{APP}/"])
def test_another_origin_is_granted_nothing_and_gets_no_cached_grant(
    function: Call, services: Services, origin: str
) -> None:
    allow(services, APP)
    for name, path, method in CALLABLE:
        response = preflight(function, name, path, method, origin)
        assert cors_headers(response) == {}
        assert "Origin" in response.vary


@pytest.mark.parametrize("origins", [APP, "*"])
def test_routes_of_the_session_cookie_and_internal_functions_are_never_granted(
    function: Call, services: Services, origins: str
) -> None:
    allow(services, origins)
    for name, path, method in CLOSED:
        assert cors_headers(preflight(function, name, path, method)) == {}
        assert cors_headers(function(name).open(path, method=method, headers={"Origin": APP})) == {}


def test_a_page_of_an_allowed_origin_can_read_a_response_and_its_headers(function: Call, services: Services) -> None:
    allow(services, APP)
    headers = {**bearer(services), "Origin": APP}
    response = function("download").get(f"/?job={ready_job(services).id}", headers=headers)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == APP
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"Content-Disposition", "ETag", "Retry-After", "Location"} <= set(exposed)


def test_a_page_of_an_allowed_origin_can_read_an_error(function: Call, services: Services) -> None:
    allow(services, APP)
    response = function("jobs").get("/", headers={"Origin": APP})
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (401, APP)


def test_a_star_allows_every_origin_without_cookies(function: Call, services: Services) -> None:
    allow(services, "*")
    response = preflight(function, "jobs", "/", "GET", OTHER)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert "Origin" not in response.vary


def test_an_allowed_origin_cannot_sign_a_browser_in(function: Call, services: Services) -> None:
    allow(services, APP)
    body = {"email": "ada@example.org", "password": "correct horse", "refresh": "cookie"}
    for headers in ({"Origin": APP}, {"Origin": APP, "Sec-Fetch-Site": "cross-site"}):
        response = function("login").post("/", json=body, headers=headers)
        assert response.status_code == 403
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        ("https://app.example.org", (APP,)),
        (" HTTPS://App.Example.org:443 , http://localhost:5173,", (APP, "http://localhost:5173")),
        ("http://[::1]:80", ("http://[::1]",)),
        ("capacitor://localhost", ("capacitor://localhost",)),
    ],
)
def test_the_setting_lists_origins_as_browsers_send_them(text: str, origins: tuple[str, ...]) -> None:
    assert Settings.from_environment({"CORS_ORIGINS": text}).cors_origins == origins


@pytest.mark.parametrize(
    "text",
    ["app.example.org", "https://a/b", "https://a/", "null", "https://*.a", "*, https://a", "https://u@a", "é://a"],
)
def test_a_setting_that_is_not_a_list_of_origins_stops_the_start(text: str) -> None:
    with pytest.raises(SettingError, match=r"Setting CORS_ORIGINS: .* must be an origin such as"):
        Settings.from_environment({"CORS_ORIGINS": text})
