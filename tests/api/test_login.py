"""login: a token in exchange for an address and a password."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import argon2
import pytest

from soundlift.common.services import Services
from tests.factories.accounts import PASSWORD
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call


def test_http_basic_credentials_get_a_bearer_token_for_an_hour(function: Call, services: Services) -> None:
    response = function("login").post("/", auth=("ada@example.org", PASSWORD))
    assert response.status_code == 200
    answer = response.json
    assert answer is not None
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    identity = services.tokens.identify(f"Bearer {answer['access_token']}")
    assert (identity.username, identity.admin) == ("ada@example.org", False)
    assert set(identity.claims) == {"sub", "username", "admin", "iss", "aud", "iat", "exp", "jti"}
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "accepted", ["*/*", "application/json", "text/plain;q=0.5, */*", "application/json, text/plain;q=0.9"]
)
def test_a_client_that_accepts_anything_gets_json(function: Call, accepted: str) -> None:
    response = function("login").post("/", auth=("ada@example.org", PASSWORD), headers={"Accept": accepted})
    assert response.mimetype == "application/json"


@pytest.mark.parametrize("name", ["email", "username"])
def test_json_credentials_get_a_token(function: Call, name: str) -> None:
    response = function("login").post("/", json={name: "ada@example.org", "password": PASSWORD})
    assert response.status_code == 200


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_json_is_read_regardless_of_its_content_type(function: Call, content_type: str | None) -> None:
    body = json.dumps({"email": "ada@example.org", "password": PASSWORD})
    assert function("login").post("/", data=body, content_type=content_type).status_code == 200


def test_an_admin_s_token_has_the_admin_claim(function: Call, services: Services) -> None:
    response = function("login").post("/", auth=("root@example.org", PASSWORD), headers={"Accept": "text/plain"})
    assert services.tokens.identify(f"Bearer {response.text}").admin


def test_a_client_that_prefers_plain_text_gets_the_bare_token(function: Call, services: Services) -> None:
    response = function("login").post("/", auth=("ada@example.org", PASSWORD), headers={"Accept": "text/plain"})
    assert response.mimetype == "text/plain"
    assert response.headers["Cache-Control"] == "no-store"
    assert services.tokens.identify(f"Bearer {response.text}").username == "ada@example.org"


def test_the_case_of_an_address_does_not_matter(function: Call, services: Services) -> None:
    response = function("login").post("/", auth=("Ada@Example.ORG", PASSWORD))
    assert services.tokens.identify(f"Bearer {response.json['access_token']}").username == "ada@example.org"


def test_a_token_is_unique_and_expires_after_the_stated_time(function: Call, services: Services) -> None:
    services.settings = replace(services.settings, token_seconds=1000, link_seconds=2000)
    answers = [function("login").post("/", auth=("ada@example.org", PASSWORD)).json for _ in range(2)]
    first, second = (services.tokens.identify(f"Bearer {answer['access_token']}").claims for answer in answers)
    assert (answers[0]["expires_in"], first["exp"] - first["iat"]) == (1000, 1000)
    assert first["jti"] != second["jti"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        *((body, "must be a JSON object") for body in (b"{", b"[]", b'"text"', b"\xff\xfe")),
        (b'{"email": 1, "password": "x"}', "must be strings"),
        (b'{"email": "a", "password": 1}', "must be strings"),
        (b'{"email": ["a"], "password": {"b": 1}}', "must be strings"),
    ],
)
def test_a_malformed_body_is_rejected_with_the_expected_form(function: Call, body: bytes, sentence: str) -> None:
    response = function("login").post("/", data=body, content_type="application/json")
    assert_problem(response, 400)
    assert sentence in response.json["detail"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"email": "ada@example.org"}', b'{"password": "correct horse"}', b'{"email": "", "password": ""}'],
)
def test_missing_credentials_are_rejected(function: Call, body: bytes) -> None:
    response = function("login").post("/", data=body, content_type="application/json")
    assert_problem(response, 401, "Missing Credentials")
    assert response.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    "header",
    [
        *("Basic", "Basic %%%", "Bearer x", f'Digest username="ada@example.org", password="{PASSWORD}"'),
        *(
            f"Basic {base64.b64encode(credentials).decode()}"
            for credentials in (b"nocolon", b"ada@example.org:", b":password")
        ),
    ],
)
def test_an_authorization_header_without_an_account_counts_as_missing(function: Call, header: str) -> None:
    assert_problem(function("login").post("/", headers={"Authorization": header}), 401, "Missing Credentials")


def test_a_wrong_password_and_an_unknown_account_get_the_same_response(function: Call) -> None:
    wrong = function("login").post("/", auth=("ada@example.org", "wrong"))
    unknown = function("login").post("/", auth=("nobody@example.org", "wrong"))
    assert_problem(wrong, 401, "Invalid Credentials")
    assert unknown.json == wrong.json
    assert unknown.headers["WWW-Authenticate"] == wrong.headers["WWW-Authenticate"]


def test_an_unknown_account_takes_as_much_work_as_a_wrong_password(
    function: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[tuple[argon2.Parameters, type[Exception]]] = []
    verify = argon2.PasswordHasher.verify

    def record(hasher: argon2.PasswordHasher, hashed: str, password: str) -> bool:
        try:
            return verify(hasher, hashed, password)
        except Exception as error:
            work.append((argon2.extract_parameters(hashed), type(error)))
            raise

    monkeypatch.setattr(argon2.PasswordHasher, "verify", record)
    assert function("login").post("/", auth=("ada@example.org", "wrong")).status_code == 401
    work_for_wrong_password = work.copy()
    assert [error for _, error in work_for_wrong_password] == [argon2.exceptions.VerifyMismatchError]
    assert function("login").post("/", auth=("nobody@example.org", "wrong")).status_code == 401
    assert work == 2 * work_for_wrong_password


@pytest.mark.parametrize(("body", "scheme"), [(None, "Basic "), ("json", "Bearer ")])
def test_only_a_client_that_used_basic_gets_a_basic_challenge(function: Call, body: str | None, scheme: str) -> None:
    wrong = {"json": {"email": "ada@example.org", "password": "wrong"}} if body else {"auth": ("ada@example.org", "x")}
    response = function("login").post("/", **wrong)
    assert_problem(response, 401, "Invalid Credentials", "invalid_credentials")
    assert response.headers["WWW-Authenticate"].startswith(scheme)


def test_login_requires_post(function: Call) -> None:
    response = function("login").get("/")
    assert_problem(response, 405)
    assert "POST" in response.headers["Allow"]
