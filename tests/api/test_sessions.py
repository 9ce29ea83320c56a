"""login: sessions of programs, which send refresh tokens in JSON."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from flask.testing import FlaskClient

from soundlift.common.auth.sessions import GRACE_SECONDS
from soundlift.common.db.tables import users
from soundlift.common.logging import set_up_logging
from soundlift.common.services import Services
from tests.factories.accounts import PASSWORD
from tests.factories.problems import assert_problem
from tests.factories.sessions import ADA, COOKIE, age_sessions
from tests.fixtures.functions import Call

ACCESS = {"access_token", "token_type", "expires_in"}
MALFORMED = [
    "",
    "x",
    ".",
    "0" * 68,
    f"{'0' * 24}.{'a' * 42}",
    f"{'0' * 24}.{'a' * 43}\n",
    "\u0660" * 24 + "." + "a" * 43,
]


@pytest.fixture
def login(function: Call) -> FlaskClient:
    return function("login")


def sign_in(login: FlaskClient, email: str = ADA) -> dict[str, Any]:
    response = login.post("/", json={"email": email, "password": PASSWORD, "refresh": "token"})
    assert response.status_code == 200
    assert response.json is not None
    return response.json


def refresh(login: FlaskClient, token: str) -> dict[str, Any]:
    response = login.post("/refresh", json={"refresh_token": token})
    assert response.status_code == 200, response.text
    assert response.json is not None
    return response.json


def assert_refused(login: FlaskClient, token: str) -> None:
    response = login.post("/refresh", json={"refresh_token": token})
    assert_problem(response, 401, "Invalid Session", "invalid_session")
    assert response.json is not None
    assert response.json["detail"] == "The session has ended. Sign in again."
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert response.headers["Cache-Control"] == "no-store"


def test_a_program_gets_a_refresh_token_only_if_it_asks_for_one(login: FlaskClient) -> None:
    answer = sign_in(login)
    assert set(answer) == {*ACCESS, "refresh_token", "refresh_expires_in"}
    assert answer["refresh_expires_in"] == 30 * 24 * 3600
    assert set(login.post("/", json={"email": ADA, "password": PASSWORD}).json or {}) == ACCESS
    by_basic = login.post("/", auth=(ADA, PASSWORD), json={"refresh": "token"})
    assert set(by_basic.json or {}) == set(answer)


def test_a_refresh_token_is_in_json_even_for_a_client_that_prefers_text(login: FlaskClient) -> None:
    body = {"email": ADA, "password": PASSWORD, "refresh": "token"}
    response = login.post("/", json=body, headers={"Accept": "text/plain"})
    assert "refresh_token" in (response.json or {})


def test_no_answer_for_a_program_sets_a_cookie(login: FlaskClient) -> None:
    body = {"email": ADA, "password": PASSWORD, "refresh": "token"}
    response = login.post("/", json=body)
    token = {"refresh_token": (response.json or {})["refresh_token"]}
    for each in (response, login.post("/refresh", json=token), login.post("/sign-out", json=token)):
        assert "Set-Cookie" not in each.headers
        assert each.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("wanted", ["yes", "", 1, True, ["cookie"], {"cookie": 1}])
def test_an_unknown_kind_of_session_is_refused(login: FlaskClient, wanted: object) -> None:
    response = login.post("/", json={"email": ADA, "password": PASSWORD, "refresh": wanted})
    assert_problem(response, 400)
    assert 'refresh must be "cookie" or "token"' in response.text.replace("\\", "")


def test_a_refresh_token_gets_an_access_token_and_the_next_refresh_token(
    login: FlaskClient, services: Services
) -> None:
    first = sign_in(login)
    second = refresh(login, first["refresh_token"])
    assert set(second) == set(first)
    assert second["refresh_token"] != first["refresh_token"]
    identity = services.tokens.identify(f"Bearer {second['access_token']}")
    assert (identity.username, identity.admin) == (ADA, False)
    assert (second["token_type"], second["expires_in"]) == ("Bearer", 3600)


def test_a_refresh_has_the_current_rights_of_the_user(login: FlaskClient, services: Services) -> None:
    token = sign_in(login)["refresh_token"]
    for admin in (True, False):
        with services.database.write() as connection:
            connection.execute(sa.update(users).where(users.c.email == ADA).values(admin=admin))
        answer = refresh(login, token)
        assert services.tokens.identify(f"Bearer {answer['access_token']}").admin is admin
        token = answer["refresh_token"]


def test_a_user_whose_row_has_gone_cannot_refresh(login: FlaskClient, services: Services) -> None:
    token = sign_in(login)["refresh_token"]
    with services.database.write() as connection:
        connection.execute(sa.delete(users).where(users.c.email == ADA))
    assert_refused(login, token)


def test_a_repeated_request_gets_the_same_refresh_token(login: FlaskClient, services: Services) -> None:
    first = sign_in(login)["refresh_token"]
    second = refresh(login, first)["refresh_token"]
    assert refresh(login, first)["refresh_token"] == second
    age_sessions(services, GRACE_SECONDS + 1)
    assert_refused(login, first)
    assert_refused(login, second)


def test_a_stolen_token_ends_the_session_when_both_have_used_it(login: FlaskClient) -> None:
    stolen = sign_in(login)["refresh_token"]
    thief = refresh(login, refresh(login, stolen)["refresh_token"])["refresh_token"]
    assert_refused(login, stolen)
    assert_refused(login, thief)


def test_signing_out_ends_the_session(login: FlaskClient) -> None:
    token, other = sign_in(login)["refresh_token"], sign_in(login)["refresh_token"]
    for _ in range(2):
        response = login.post("/sign-out", json={"refresh_token": token})
        assert (response.status_code, response.data) == (204, b"")
    assert_refused(login, token)
    refresh(login, other)


def test_an_expired_session_is_refused_like_an_unknown_one(login: FlaskClient, services: Services) -> None:
    token = sign_in(login)["refresh_token"]
    age_sessions(services, services.settings.refresh_seconds + 1)
    assert_refused(login, token)


@pytest.mark.parametrize("token", MALFORMED)
def test_a_malformed_refresh_token_is_an_ended_session(login: FlaskClient, token: str) -> None:
    assert_refused(login, token)
    assert login.post("/sign-out", json={"refresh_token": token}).status_code == 204


@pytest.mark.parametrize("path", ["/refresh", "/sign-out"])
@pytest.mark.parametrize("token", [1, True, [], {"a": 1}])
def test_a_refresh_token_must_be_a_string(login: FlaskClient, path: str, token: object) -> None:
    assert_problem(login.post(path, json={"refresh_token": token}), 400)


@pytest.mark.parametrize("suffix", ["x", "\n", "=", ".", "\0"])
def test_a_refresh_token_with_anything_after_it_is_not_accepted(login: FlaskClient, suffix: str) -> None:
    token = sign_in(login)["refresh_token"]
    assert_refused(login, token + suffix)
    assert login.post("/sign-out", json={"refresh_token": token + suffix}).status_code == 204
    refresh(login, token)


def test_an_access_token_is_no_refresh_token_and_the_reverse(login: FlaskClient, function: Call) -> None:
    answer = sign_in(login)
    assert_refused(login, answer["access_token"])
    headers = {"Authorization": f"Bearer {answer['refresh_token']}"}
    assert_problem(function("validate").get("/", headers=headers), 401)


def test_a_token_in_the_body_takes_precedence_over_the_cookie(login: FlaskClient) -> None:
    by_body, in_cookie = sign_in(login)["refresh_token"], sign_in(login)["refresh_token"]
    login.set_cookie(COOKIE, in_cookie, path="/")
    login.post("/sign-out", json={"refresh_token": by_body})
    assert_refused(login, by_body)
    refresh(login, in_cookie)


@pytest.mark.parametrize("path", ["/refresh", "/sign-out"])
def test_a_session_is_used_only_by_post(login: FlaskClient, path: str) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        response = login.open(path, method=method)
        assert_problem(response, 405)
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("path", ["/other", "/refresh/", "/refresh/x", "/login"])
def test_other_paths_do_not_exist(login: FlaskClient, path: str) -> None:
    assert_problem(login.post(path, json={}), 404)


def test_a_refresh_hashes_no_password(login: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    token = sign_in(login)["refresh_token"]
    monkeypatch.setattr("soundlift.common.auth.passwords.Passwords.verify", None)
    token = refresh(login, token)["refresh_token"]
    login.post("/sign-out", json={"refresh_token": token})


def test_no_token_and_no_password_is_logged(login: FlaskClient, capfd: pytest.CaptureFixture[str]) -> None:
    configuration = structlog.get_config()
    set_up_logging("debug")
    structlog.configure(cache_logger_on_first_use=False)  # so that the loggers of other tests are not these
    try:
        first = sign_in(login)
        second = refresh(login, first["refresh_token"])
        third = refresh(login, second["refresh_token"])
        assert_refused(login, first["refresh_token"])
        login.post("/sign-out", json={"refresh_token": third["refresh_token"]})
    finally:
        structlog.configure(**configuration)
    output = "".join(capfd.readouterr())
    assert output.count('"path": "/refresh"') == 3
    assert "session ended" in output
    for answer in (first, second, third):
        for secret in (answer["refresh_token"], answer["access_token"], answer["refresh_token"][25:], PASSWORD):
            assert secret not in output
