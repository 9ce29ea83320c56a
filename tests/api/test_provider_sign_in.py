"""login: sign-in with an identity provider, whose code this function redeems."""

from __future__ import annotations

import hmac
import json
import os
import subprocess
import sys
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from soundlift.common.auth.refresh_tokens import RefreshToken
from soundlift.common.services import Services
from tests.factories.accounts import PASSWORD
from tests.factories.issuer import (
    CLIENT_ID,
    DISCOVERY,
    JWKS,
    NONCE,
    TOKEN,
    USERINFO,
    VERIFIER,
    Issuer,
    new_key,
    public_jwk,
    running_issuer,
    segment,
    trust,
)
from tests.factories.problems import assert_problem
from tests.factories.sessions import ADA, COOKIE, PAGE_HEADERS, is_live
from tests.fixtures.functions import Call

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

NEW = "new@example.org"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def login(function: Call, services: Services, issuer: Issuer) -> FlaskClient:
    """Return a client of a deployment whose sign-in provider is the issuer."""
    trust(services, issuer)
    return function("login")


def sign_in(login: FlaskClient, code: str, **changes: Any) -> TestResponse:
    body = {"code": code, "verifier": VERIFIER, "nonce": NONCE, **changes}
    return login.post("/provider", json=body, headers=PAGE_HEADERS)


def assert_refused(response: TestResponse) -> None:
    assert_problem(response, 401, "Provider Sign-In Refused", "provider_sign_in_refused")


def username(services: Services, response: TestResponse) -> str:
    assert response.status_code == 200, response.text
    return services.tokens.identify(f"Bearer {(response.json or {})['access_token']}").username


def attributes(response: TestResponse) -> set[str]:
    """Return the attributes of the cookie that a response sets, without the time at which it expires."""
    return {each for each in response.headers["Set-Cookie"].split("; ")[1:] if not each.startswith("Expires=")}


def test_a_deployment_has_no_provider_by_default(function: Call) -> None:
    login = function("login")
    assert (login.get("/offers").json or {})["provider"] is None
    for response in (login.get("/provider"), sign_in(login, "code")):
        assert_problem(response, 404, "Not Found", "not_found")


def test_a_page_learns_where_to_send_people(login: FlaskClient, services: Services, issuer: Issuer) -> None:
    assert (login.get("/offers").json or {})["provider"] == "127.0.0.1"
    services.settings = replace(services.settings, oidc_name="Example")
    assert (login.get("/offers").json or {})["provider"] == "Example"
    response = login.get("/provider")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json == {
        "issuer": issuer.url,
        "authorization_endpoint": f"{issuer.url}/authorize",
        "client_id": CLIENT_ID,
        "redirect_uri": "http://127.0.0.1:8080/web/",
        "scope": "openid email",
    }


def test_a_code_begins_the_session_that_a_password_begins(
    login: FlaskClient, services: Services, issuer: Issuer
) -> None:
    with capture_logs() as logs:
        response = sign_in(login, issuer.code(email=" Ada@Example.org "), refresh="cookie")
    by_password = login.post("/", json={"email": ADA, "password": PASSWORD, "refresh": "cookie"}, headers=PAGE_HEADERS)
    assert username(services, response) == ADA
    assert set(response.json or {}) == set(by_password.json or {})
    first, second = (attributes(each) for each in (response, by_password))
    assert first == second
    assert first
    name, _, value = response.headers["Set-Cookie"].partition(";")[0].partition("=")
    session = RefreshToken.parse(value)
    assert name == COOKIE and session is not None and is_live(services, session)
    assert set(sign_in(login, issuer.code(), refresh="token").json or {}) > {"refresh_token"}
    assert VERIFIER not in str(logs) and "id_token" not in str(logs)


def test_a_code_is_redeemed_once_and_only_with_its_verifier_and_nonce(login: FlaskClient, issuer: Issuer) -> None:
    code = issuer.code()
    assert sign_in(login, code).status_code == 200
    assert_refused(sign_in(login, code))
    assert_refused(sign_in(login, issuer.code(), verifier="w" * 43))
    assert_refused(sign_in(login, issuer.code(), nonce="m" * 22))
    assert "client_secret" not in issuer.forms[0][0]
    assert "Authorization" not in issuer.forms[0][1]


def by_hand(issuer: Issuer, algorithm: str, sign: Callable[[bytes], bytes]) -> str:
    text = f"{segment({'alg': algorithm, 'kid': '1'})}.{segment(issuer.claims())}"
    return f"{text}.{urlsafe_b64encode(sign(text.encode())).rstrip(b'=').decode()}"


def with_public_key(issuer: Issuer) -> str:
    """Return a token that is signed with the public key, as if it were a secret."""
    public = issuer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return by_hand(issuer, "HS256", lambda text: hmac.digest(public, text, "sha256"))


def with_own_key(issuer: Issuer, **headers: Any) -> str:
    """Return a token that is signed with another key, which its header contains or points to."""
    key = new_key()
    headers = {name: public_jwk(key, "1") if name == "jwk" else value for name, value in headers.items()}
    return jwt.encode(issuer.claims(), key, "ES256", headers={"kid": "1", **headers})


def _now() -> int:
    """Return the present time, since a test may run long after this module is imported."""
    return int(time.time())


ATTACKS: dict[str, Callable[[Issuer], str]] = {
    "another audience": lambda issuer: issuer.token(aud="another"),
    "a longer audience": lambda issuer: issuer.token(aud=f"{CLIENT_ID}2"),
    "several audiences": lambda issuer: issuer.token(aud=[CLIENT_ID, "another"]),
    "asked for by another": lambda issuer: issuer.token(azp="another"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "an empty audience": lambda issuer: issuer.token(aud=[]),
    "another issuer": lambda issuer: issuer.token(iss=f"{issuer.url}/"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "expired": lambda issuer: issuer.token(iat=_now() - 600, exp=_now() - 60),
    "never expires": lambda issuer: issuer.token(exp=None),
    "of the future": lambda issuer: issuer.token(iat=_now() + 600),
    "of no time": lambda issuer: issuer.token(iat=None),
    "another nonce": lambda issuer: issuer.token(nonce="m" * 22),
    "no nonce": lambda issuer: issuer.token(nonce=None),
    "a nonce in a list": lambda issuer: issuer.token(nonce=[NONCE]),
    "no subject": lambda issuer: issuer.token(sub=None),
    "not signed": lambda issuer: by_hand(issuer, "none", lambda text: b""),
    "signed with the public key": with_public_key,
    "another key": with_own_key,
    "its own key": lambda issuer: with_own_key(issuer, jwk=None),
    "a key elsewhere": lambda issuer: with_own_key(issuer, jku=f"{issuer.url}/attacker", x5u=f"{issuer.url}/attacker"),
    "an unknown key": lambda issuer: issuer.token(headers={"kid": "2"}),
    "a critical extension": lambda issuer: issuer.token(headers={"crit": ["exp"]}),
    "changed": lambda issuer: issuer.token()[:-6] + "AAAAAA",
    "no token": lambda issuer: "x",
    "too long": lambda issuer: issuer.token(more="x" * 40_000),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    login: FlaskClient, issuer: Issuer, attack: Callable[[Issuer], str]
) -> None:
    assert_refused(sign_in(login, issuer.code(attack(issuer))))
    assert set(issuer.requests) <= {DISCOVERY, TOKEN, JWKS}


def test_a_client_may_be_one_of_several_audiences_if_it_asked(login: FlaskClient, issuer: Issuer) -> None:
    assert sign_in(login, issuer.code(aud=[CLIENT_ID])).status_code == 200
    assert sign_in(login, issuer.code(aud=["another", CLIENT_ID], azp=CLIENT_ID)).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": None},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": 1},
        {"email": None},
        {"email": ["ada@example.org"]},
        {"email": "ada@example.org, eve@example.org"},
        {"email": "\N{KELVIN SIGN}@example.org"},
        {"email": "É@example.org"},
    ],
    ids=str,
)
def test_an_address_that_is_not_verified_or_not_usable_signs_nobody_in(
    login: FlaskClient, services: Services, issuer: Issuer, claims: dict[str, Any]
) -> None:
    trust(services, issuer, oidc_sign_up=True)
    services.users.add("k@example.org", "hash")
    accounts = services.users.list()
    assert_problem(sign_in(login, issuer.code(**claims)), 403, "Unverified Address", "unverified_address")
    assert services.users.list() == accounts


def test_an_account_is_made_only_where_the_setting_allows_it(
    login: FlaskClient, services: Services, issuer: Issuer
) -> None:
    assert_problem(sign_in(login, issuer.code(email=NEW)), 403, "No Account", "no_account")
    assert services.users.find(NEW) is None
    trust(services, issuer, oidc_sign_up=True, sign_up_domains=("example.com",))
    assert_problem(sign_in(login, issuer.code(email=NEW)), 403, "Address Not Allowed", "address_not_allowed")
    assert username(services, sign_in(login, issuer.code())) == ADA  # who has an account already
    trust(services, issuer, sign_up_domains=())
    for _ in range(2):
        assert username(services, sign_in(login, issuer.code(email="New@example.org"))) == NEW
    account = services.users.find(NEW)
    assert account is not None and not account.admin
    assert services.passwords.is_current(account.password)  # so a wrong password takes as long as for others
    assert login.post("/", json={"email": NEW, "password": PASSWORD}).status_code == 401


def test_a_disabled_account_is_refused(login: FlaskClient, services: Services, issuer: Issuer) -> None:
    services.users.disable(ADA)
    response = sign_in(login, issuer.code(), refresh="cookie")
    assert_problem(response, 403, "Account Disabled", "account_disabled")
    assert "Set-Cookie" not in response.headers


def test_a_failed_sign_in_by_password_says_what_people_without_one_can_do(
    login: FlaskClient, services: Services, issuer: Issuer
) -> None:
    for reset, advice in ((False, "make an API key there."), (True, "or choose a password with “Forgot password?”.")):
        trust(services, issuer, password_reset=reset)
        answers = [login.post("/", json={"email": email, "password": "wrong password"}) for email in (ADA, NEW)]
        assert answers[0].data == answers[1].data
        assert (answers[0].json or {})["detail"].endswith(advice)


def test_two_first_sign_ins_at_once_make_one_account(login: FlaskClient, services: Services, issuer: Issuer) -> None:
    trust(services, issuer, oidc_sign_up=True)
    codes = [issuer.code(email=NEW) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        clients = [login.application.test_client() for _ in codes]
        answers = list(pool.map(sign_in, clients, codes))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [user.email for user in services.users.list()].count(NEW) == 1


def test_the_modules_and_cryptography_are_loaded_only_with_a_provider(tmp_path: Path) -> None:
    """They take a tenth of a second of a cold start; PyJWT loads cryptography if it can, so this blocks it."""
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from functions.login.handler import app; app.open_services()\n"
        "assert not [name for name in sys.modules if '.oidc' in name]"
    )
    environment = {"SOUNDLIFT_DATA": str(tmp_path), "JWT_SECRET": "s" * 32, "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=ROOT)


def test_failures_are_counted_with_those_of_passwords_of_the_same_network(
    login: FlaskClient, services: Services, issuer: Issuer
) -> None:
    services.settings = replace(services.settings, sign_in_failures_per_network=3)
    network = {"REMOTE_ADDR": "192.0.2.7"}
    body = {"code": "unknown", "verifier": VERIFIER, "nonce": NONCE}
    for _ in range(2):
        assert_refused(login.post("/provider", json=body, environ_base=network))
        issuer.is_away = True
        assert login.post("/provider", json=body, environ_base=network).status_code == 503  # not counted
        issuer.is_away = False
    assert login.post("/provider", json={**body, "code": issuer.code()}, environ_base=network).status_code == 200
    assert login.post("/", json={"email": ADA, "password": "wrong password"}, environ_base=network).status_code == 401
    refused = login.post("/provider", json={**body, "code": issuer.code()}, environ_base=network)
    assert_problem(refused, 429, "Too Many Attempts", "too_many_attempts")
    assert len(issuer.codes) == 1  # it was not even sent


def test_another_site_cannot_sign_anybody_in(login: FlaskClient, issuer: Issuer) -> None:
    body = {"code": issuer.code(), "verifier": VERIFIER, "nonce": NONCE}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        response = login.post("/provider", json=body, headers=headers)
        assert_problem(response, 403, "Cross-Site Request", "cross_site_request")
    response = login.post("/provider", data=json.dumps(body), content_type="text/plain")
    assert_problem(response, 403, "Cross-Site Request", "cross_site_request")
    assert not issuer.requests


@pytest.mark.parametrize(
    "changes",
    [{"code": ""}, {"code": "é"}, {"code": "x" * 5000}, {"verifier": "short"}, {"nonce": None}, {"refresh": "x"}],
    ids=str,
)
def test_a_malformed_request_is_refused_before_the_provider_is_asked(
    login: FlaskClient, issuer: Issuer, changes: dict[str, Any]
) -> None:
    assert_problem(sign_in(login, **{"code": "code", **changes}), 400, "Bad Request", "bad_request")
    assert not issuer.requests


@pytest.mark.parametrize("methods", [None, ["client_secret_post", "none"]], ids=str)
def test_a_secret_is_sent_as_the_provider_wants_it(
    login: FlaskClient, services: Services, issuer: Issuer, methods: list[str] | None
) -> None:
    trust(services, issuer, oidc_client_secret="s e:c%t")
    if methods:
        metadata = json.dumps(issuer.metadata(token_endpoint_auth_methods_supported=methods)).encode()
        issuer.answers[DISCOVERY] = lambda: metadata
    assert sign_in(login, issuer.code()).status_code == 200
    form, headers = issuer.forms[-1]
    basic = f"Basic {b64encode(f'{CLIENT_ID}:s+e%3Ac%25t'.encode()).decode()}"
    expected = ("s e:c%t", None) if methods else (None, basic)
    assert (form.get("client_secret"), headers.get("Authorization")) == expected


def test_an_address_that_is_only_at_the_userinfo_endpoint_is_read_there(
    login: FlaskClient, services: Services, issuer: Issuer
) -> None:
    metadata = json.dumps(issuer.metadata(userinfo_endpoint=f"{issuer.url}{USERINFO}")).encode()
    issuer.answers[DISCOVERY] = lambda: metadata
    person = {"sub": "1", "email": ADA, "email_verified": True}
    issuer.answers[USERINFO] = lambda: json.dumps(person).encode()
    assert username(services, sign_in(login, issuer.code(email=None, email_verified=None))) == ADA
    person["sub"] = "2"
    assert_refused(sign_in(login, issuer.code(email=None)))


def test_a_provider_that_refuses_this_deployment_is_a_problem_for_the_operator(
    login: FlaskClient, issuer: Issuer
) -> None:
    issuer.answers[TOKEN] = lambda: b'{"error": "access_token without id_token"}'
    assert_refused(sign_in(login, issuer.code()))
    issuer.answers[TOKEN] = lambda: b"not JSON"
    with capture_logs() as logs:
        response = sign_in(login, issuer.code())
    assert_problem(response, 503, "Unavailable", "provider_unavailable")
    assert issuer.url not in response.text
    assert issuer.url in str([line for line in logs if line["event"] == "provider_unavailable"])
