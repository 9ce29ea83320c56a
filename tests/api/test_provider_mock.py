"""login: whole sign-ins with an identity provider that others have written, oidc-provider-mock, over HTTP."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import urllib3
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from devservers.oidc_provider import OidcProvider
from soundlift.common.services import Services
from tests.factories.problems import assert_problem
from tests.factories.sessions import ADA, PAGE_HEADERS
from tests.fixtures.functions import Call

VERIFIER, NONCES = "v" * 43, iter(f"{number:022}" for number in range(100))


@pytest.fixture
def login(function: Call, services: Services, oidc_provider: OidcProvider) -> FlaskClient:
    """Return a client of a deployment that has a secret at the provider, which takes any but requires one."""
    settings = {"oidc_issuer": oidc_provider.issuer, "oidc_client_id": "soundlift", "oidc_client_secret": "secret"}
    services.settings = replace(services.settings, **settings)  # type: ignore[arg-type]  # the fields of Settings
    return function("login")


def authorize(login: FlaskClient, name: str, nonce: str) -> str:
    """Do what a page and its user do at the provider, and return the code that the page gets."""
    provider = login.get("/provider").json or {}
    query = {
        "response_type": "code",
        "client_id": provider["client_id"],
        "redirect_uri": provider["redirect_uri"],
        "scope": provider["scope"],
        "state": "some state",
        "nonce": nonce,
        "code_challenge": urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    url = f"{provider['authorization_endpoint']}?{urlencode(query)}"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = urllib3.request("POST", url, body=urlencode({"sub": name}), headers=form, redirect=False)
    location = response.headers["Location"]
    assert location.startswith("http://127.0.0.1:8080/web/?")
    answer = parse_qs(urlsplit(location).query)
    assert answer["state"] == ["some state"]
    return answer["code"][0]


def sign_in(login: FlaskClient, name: str, verifier: str = VERIFIER) -> TestResponse:
    nonce = next(NONCES)
    body = {"code": authorize(login, name, nonce), "verifier": verifier, "nonce": nonce, "refresh": "cookie"}
    return login.post("/provider", json=body, headers=PAGE_HEADERS)


def test_a_person_signs_in_to_the_account_of_their_verified_address(
    login: FlaskClient, services: Services, oidc_provider: OidcProvider
) -> None:
    oidc_provider.add_user("ada", email=ADA, email_verified=True)
    response = sign_in(login, "ada")
    assert response.status_code == 200, response.text
    token = (response.json or {})["access_token"]
    assert services.tokens.identify(f"Bearer {token}").username == ADA
    assert_problem(sign_in(login, "ada", verifier="w" * 43), 401, code="provider_sign_in_refused")


def test_who_has_no_account_or_no_verified_address_is_refused(login: FlaskClient, oidc_provider: OidcProvider) -> None:
    oidc_provider.add_user("eve", email="eve@example.org", email_verified=True)
    assert_problem(sign_in(login, "eve"), 403, "No Account", "no_account")
    oidc_provider.add_user("mallory", email=ADA)
    assert_problem(sign_in(login, "mallory"), 403, "Unverified Address", "unverified_address")
