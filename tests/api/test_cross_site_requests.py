"""login: no page of another origin can use, set or remove the session cookie of a browser."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from soundlift.common.auth.refresh_tokens import RefreshToken
from soundlift.common.services import Services
from tests.factories.accounts import PASSWORD
from tests.factories.problems import assert_problem
from tests.factories.sessions import ADA, COOKIE, begin_session, is_live
from tests.fixtures.functions import Call

JSON = {"Content-Type": "application/json"}
SIGN_IN = {"email": ADA, "password": PASSWORD, "refresh": "cookie"}
ROUTES = {"/": SIGN_IN, "/refresh": {}, "/sign-out": {}}
FORMS = {
    "text/plain": lambda body: json.dumps({**body, "padding": "="}),  # what <form enctype="text/plain"> can send
    "text/plain;charset=UTF-8": json.dumps,
    "application/x-www-form-urlencoded": json.dumps,
    "multipart/form-data; boundary=x": json.dumps,
    "text/plain; application/json": json.dumps,
    "application/json, text/plain": json.dumps,
    "application/jsonp": json.dumps,
    "": json.dumps,
}
FOREIGN = {
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "another host of the same site": {"Sec-Fetch-Site": "same-site"},
    "no page": {"Sec-Fetch-Site": "none"},
    "an unknown relation": {"Sec-Fetch-Site": "same-origin, cross-site"},
    "another site with a forged origin": {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8080"},
    "another host": {"Origin": "https://evil.example"},
    "another port": {"Origin": "http://127.0.0.1:8081"},
    "another scheme": {"Origin": "file://127.0.0.1:8080"},
    "an opaque origin": {"Origin": "null"},
    "an empty origin": {"Origin": ""},
    "a host that begins alike": {"Origin": "http://127.0.0.1.evil.example:8080"},
    "user information": {"Origin": "http://127.0.0.1:8080@evil.example"},
    "a malformed port": {"Origin": "http://127.0.0.1:99999999"},
    "a malformed address": {"Origin": "http://[::1"},
    "not ASCII": {"Origin": "\xe9\xff"},
    "an empty host": {"Origin": "http://", "Host": ""},
}


@pytest.fixture
def cookie(services: Services) -> RefreshToken:
    return begin_session(services)


@pytest.fixture
def login(function: Call, cookie: RefreshToken) -> FlaskClient:
    """Return a browser that is signed in, and sends its cookie regardless of the host."""
    client = function("login").application.test_client(use_cookies=False)
    client.environ_base["HTTP_COOKIE"] = f"{COOKIE}={cookie.text}"
    return client


def send(login: FlaskClient, path: str, body: str, headers: dict[str, str], method: str = "POST") -> TestResponse:
    content_type = headers.get("Content-Type")
    others = {name: value for name, value in headers.items() if name != "Content-Type"}
    base = "http://127.0.0.1:8080"
    return login.open(path, method=method, data=body, headers=others, content_type=content_type, base_url=base)


def assert_without_effect(response: TestResponse, services: Services, cookie: RefreshToken) -> None:
    assert_problem(response, 403, "Cross-Site Request", "cross_site_request")
    assert "Set-Cookie" not in response.headers
    assert "Access-Control-Allow-Origin" not in response.headers
    assert services.sessions.end_all(ADA) == 1
    assert not is_live(services, cookie)


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("content_type", FORMS)
def test_a_form_has_no_effect(
    login: FlaskClient, services: Services, cookie: RefreshToken, path: str, content_type: str
) -> None:
    body = FORMS[content_type](ROUTES[path])
    assert_without_effect(send(login, path, body, {"Content-Type": content_type}), services, cookie)


@pytest.mark.parametrize("path", ["/refresh", "/sign-out"])
@pytest.mark.parametrize("body", ["", "a=b", '{"a":"=', "--x\r\n\r\n--x--", "[]"])
@pytest.mark.parametrize("content_type", ["", "application/x-www-form-urlencoded", "text/plain"])
def test_a_form_that_is_not_json_has_no_effect_either(
    login: FlaskClient, services: Services, cookie: RefreshToken, path: str, body: str, content_type: str
) -> None:
    assert_without_effect(send(login, path, body, {"Content-Type": content_type}), services, cookie)


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("description", FOREIGN)
def test_json_from_another_origin_has_no_effect(
    login: FlaskClient, services: Services, cookie: RefreshToken, path: str, description: str
) -> None:
    response = send(login, path, json.dumps(ROUTES[path]), {**JSON, **FOREIGN[description]})
    assert_without_effect(response, services, cookie)


@pytest.mark.parametrize("path", ROUTES)
def test_the_right_origin_does_not_excuse_a_form(
    login: FlaskClient, services: Services, cookie: RefreshToken, path: str
) -> None:
    headers = {"Content-Type": "text/plain", "Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8080"}
    assert_without_effect(send(login, path, json.dumps(ROUTES[path]), headers), services, cookie)


@pytest.mark.parametrize("path", ROUTES)
def test_another_origin_gets_no_permission_from_a_preflight_request(login: FlaskClient, path: str) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    response = login.options(path, headers=headers)
    assert [name for name, _ in response.headers if name.startswith("Access-Control-")] == []


@pytest.mark.parametrize("path", ROUTES)
def test_a_navigation_has_no_effect(login: FlaskClient, services: Services, cookie: RefreshToken, path: str) -> None:
    response = send(login, path, "", {}, method="GET")
    assert_problem(response, 405)
    assert "Set-Cookie" not in response.headers
    assert is_live(services, cookie)


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://name-that-a-proxy-replaces.example"},
        {"Origin": "http://127.0.0.1:8080"},
        {"Origin": "http://localhost:8080", "Host": "localhost:8080"},
        {"Origin": "http://LOCALHOST", "Host": "localhost:80"},
        {"Origin": "https://soundlift.example.org", "Host": "soundlift.example.org"},
        {},
    ],
)
def test_pages_of_the_own_origin_and_programs_may_use_the_cookie(
    login: FlaskClient, path: str, headers: dict[str, str]
) -> None:
    response = send(
        login, path, json.dumps(ROUTES[path]), {"Content-Type": "application/json; charset=utf-8", **headers}
    )
    assert response.status_code in (200, 204)
    assert COOKIE in response.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://soundlift.example.org", 200),
        ("https://soundlift.example.org:443", 200),
        ("https://login.internal", 200),
        ("http://soundlift.example.org", 403),
        ("http://login.internal", 403),
    ],
)
def test_a_page_without_encryption_cannot_use_the_cookie_of_an_encrypted_service(
    login: FlaskClient, services: Services, origin: str, status: int
) -> None:
    services.settings = replace(services.settings, public_url="https://soundlift.example.org")
    headers = {**JSON, "Origin": origin, "Host": "login.internal"}
    assert send(login, "/refresh", "{}", headers).status_code == status


def test_a_sign_in_without_a_cookie_is_read_regardless_of_its_origin(login: FlaskClient) -> None:
    body = json.dumps({"email": ADA, "password": PASSWORD, "refresh": "token"})
    response = send(login, "/", body, {"Content-Type": "text/plain", "Origin": "https://evil.example"})
    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("body", ["{", "[]", '"x"', "1", "null", "\xff"])
@pytest.mark.parametrize("path", ["/refresh", "/sign-out"])
def test_a_malformed_body_of_an_own_page_is_refused(login: FlaskClient, path: str, body: str) -> None:
    assert_problem(send(login, path, body, {**JSON, "Sec-Fetch-Site": "same-origin"}), 400)
