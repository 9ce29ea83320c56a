"""login: sessions of pages, whose refresh token is a cookie that scripts cannot read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from soundlift.common.auth.sessions import GRACE_SECONDS
from soundlift.common.services import Services
from tests.factories.accounts import PASSWORD
from tests.factories.problems import assert_problem
from tests.factories.sessions import ADA, COOKIE, PAGE_HEADERS, age_sessions, begin_session, is_live
from tests.fixtures.functions import Call

ATTRIBUTES = {"HttpOnly", "SameSite=Strict", "Max-Age=2592000", "Path=/login"}
AT_LOGIN = "http://localhost/login"


@pytest.fixture
def login(function: Call) -> FlaskClient:
    """Return a client of login as the local gateway serves it, at /login."""
    return function("login")


def post(login: FlaskClient, path: str, body: dict[str, Any] | None = None, **options: Any) -> TestResponse:
    headers = {**PAGE_HEADERS, **options.pop("headers", {})}
    return login.post(path, json=body or {}, headers=headers, **{"base_url": AT_LOGIN, **options})


def sign_in(login: FlaskClient, **options: Any) -> TestResponse:
    response = post(login, "/", {"email": ADA, "password": PASSWORD, "refresh": "cookie"}, **options)
    assert response.status_code == 200
    return response


def cookie(response: TestResponse) -> tuple[str, set[str]]:
    """Return the value of the only cookie that a response sets, and its attributes without the date."""
    (header,) = response.headers.getlist("Set-Cookie")
    pair, *attributes = header.split("; ")
    name, _, value = pair.partition("=")
    assert name == COOKIE
    return value, {attribute for attribute in attributes if not attribute.startswith("Expires=")}


def test_a_page_gets_its_refresh_token_only_in_the_cookie(login: FlaskClient) -> None:
    response = sign_in(login)
    value, attributes = cookie(response)
    assert attributes == ATTRIBUTES
    assert set(response.json or {}) == {"access_token", "token_type", "expires_in"}
    assert value not in response.text


def test_a_page_can_sign_in_by_basic_and_get_the_bare_token(login: FlaskClient) -> None:
    headers = {**PAGE_HEADERS, "Accept": "text/plain"}
    response = login.post("/", json={"refresh": "cookie"}, auth=(ADA, PASSWORD), headers=headers, base_url=AT_LOGIN)
    assert response.mimetype == "text/plain"
    assert cookie(response)[1] == ATTRIBUTES


def test_the_cookie_gets_an_access_token_and_is_replaced(login: FlaskClient, services: Services) -> None:
    first, _ = cookie(sign_in(login))
    response = post(login, "/refresh")
    second, attributes = cookie(response)
    assert (second != first, attributes) == (True, ATTRIBUTES)
    assert response.json is not None
    assert set(response.json) == {"access_token", "token_type", "expires_in"}
    assert services.tokens.identify(f"Bearer {response.json['access_token']}").username == ADA
    assert post(login, "/refresh").status_code == 200
    assert response.headers["Cache-Control"] == "no-store"


def test_two_tabs_that_refresh_at_once_get_the_same_cookie(login: FlaskClient, services: Services) -> None:
    first, _ = cookie(sign_in(login))
    second, _ = cookie(post(login, "/refresh"))
    login.set_cookie(COOKIE, first, path="/login")
    assert cookie(post(login, "/refresh"))[0] == second
    login.set_cookie(COOKIE, first, path="/login")
    age_sessions(services, GRACE_SECONDS + 1)
    assert_problem(post(login, "/refresh"), 401, code="invalid_session")


def test_signing_out_ends_the_session_and_removes_the_cookie(login: FlaskClient) -> None:
    value, _ = cookie(sign_in(login))
    response = post(login, "/sign-out")
    assert (response.status_code, response.data) == (204, b"")
    removed, attributes = cookie(response)
    assert removed == ""
    assert attributes == {"HttpOnly", "SameSite=Strict", "Max-Age=0", "Path=/login"}
    assert login.get_cookie(COOKIE, path="/login") is None
    login.set_cookie(COOKIE, value, path="/login")
    assert_problem(post(login, "/refresh"), 401, code="invalid_session")


def test_signing_out_twice_or_without_a_session_has_the_same_answer(login: FlaskClient) -> None:
    for _ in range(2):
        response = post(login, "/sign-out")
        assert response.status_code == 204
        assert cookie(response)[0] == ""


def test_without_a_cookie_a_page_is_not_signed_in(login: FlaskClient) -> None:
    assert_problem(post(login, "/refresh"), 401, "Invalid Session", "invalid_session")


@pytest.mark.parametrize("value", ["", "x", "é", '"', "a" * 8000, "%ED%A0%80", "\\000", f"{'0' * 24}.{'a' * 43}"])
def test_a_foreign_value_of_the_cookie_is_an_ended_session(login: FlaskClient, value: str) -> None:
    headers = {"Cookie": f"{COOKIE}={value.encode().decode('latin-1')}"}
    response = post(login, "/refresh", headers=headers)
    assert_problem(response, 401, "Invalid Session", "invalid_session")
    assert "Set-Cookie" not in response.headers
    assert post(login, "/sign-out", headers=headers).status_code == 204


def test_signing_in_never_continues_the_session_of_an_earlier_cookie(login: FlaskClient, services: Services) -> None:
    planted = begin_session(services, "bob@example.org")
    login.set_cookie(COOKIE, planted.text, path="/login")
    value, _ = cookie(sign_in(login))
    assert not value.startswith(planted.id)
    assert is_live(services, planted)


@pytest.mark.parametrize("email", [ADA, "nobody@example.org"])
def test_a_failed_sign_in_of_a_page_opens_no_dialog_of_the_browser(login: FlaskClient, email: str) -> None:
    response = post(login, "/", {"email": email, "password": "wrong", "refresh": "cookie"})
    assert_problem(response, 401, "Invalid Credentials", "invalid_credentials")
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    ("public_url", "host", "secure"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", False),
        ("http://127.8.9.1:8080", "localhost:8080", False),
        ("http://localhost:8080", "soundlift.localhost", False),
        ("http://[::1]:8080", "[::1]:8080", False),
        ("https://soundlift.example.org", "soundlift.example.org", True),
        ("https://soundlift.example.org", "127.0.0.1:8080", True),
        ("http://soundlift.example.org", "soundlift.example.org", True),
        ("http://192.168.1.5:8080", "192.168.1.5:8080", True),
        ("http://127.0.0.1:8080", "192.168.1.5:8080", True),
        ("http://127.0.0.1.example.org", "127.0.0.1", True),
        ("http://localhost.example.org", "localhost", True),
    ],
)
def test_the_cookie_is_secure_except_on_this_machine(
    login: FlaskClient, services: Services, public_url: str, host: str, secure: bool
) -> None:
    services.settings = replace(services.settings, public_url=public_url)
    base = f"http://{host}/login"
    for response in (sign_in(login, base_url=base), post(login, "/sign-out", base_url=base)):
        assert ("Secure" in cookie(response)[1]) is secure


@pytest.mark.parametrize(
    ("public_url", "mount", "path"),
    [
        ("http://127.0.0.1:8080", "/login", "/login"),
        ("http://127.0.0.1:8080", "/function/login", "/function/login"),
        ("http://127.0.0.1:8080", "/function/login.openfaas-fn", "/function/login.openfaas-fn"),
        ("https://soundlift.example.org", "", "/login"),
        ("https://gateway.example.org/function", "", "/function/login"),
        ("https://example.org/soundlift", "/login", "/soundlift/login"),
        ("https://example.org/soundlift", "/function/login", "/soundlift/function/login"),
        ("http://127.0.0.1:8080/function", "/function/login", "/function/login"),
        ("http://127.0.0.1:8080/function", "/login", "/function/login"),
        ("https://example.org/a;b c", "", "/a%3Bb%20c/login"),
    ],
)
def test_only_requests_to_login_contain_the_cookie(
    login: FlaskClient, services: Services, public_url: str, mount: str, path: str
) -> None:
    services.settings = replace(services.settings, public_url=public_url)
    base = f"https://gateway.example.org{mount}"
    for response in (sign_in(login, base_url=base), post(login, "/sign-out", base_url=base)):
        assert f"Path={path}" in cookie(response)[1]


def test_the_cookie_lasts_as_long_as_the_session(login: FlaskClient, services: Services) -> None:
    services.settings = replace(services.settings, refresh_seconds=1000)
    assert "Max-Age=1000" in cookie(sign_in(login))[1]
