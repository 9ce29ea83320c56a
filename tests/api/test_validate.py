"""validate: the response is 200 or 401, whatever the Authorization header is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest

from devservers.waiting import wait_for
from soundlift.common.auth.signing_keys import SigningKeys
from soundlift.common.auth.tokens import DOWNLOAD, ISSUER, MAX_TOKEN_LENGTH, SIGN_IN, Tokens
from soundlift.common.errors import NotAuthorized
from soundlift.common.services import Services
from tests.factories.accounts import SECRET, bearer
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

DAY = 86_400


def _claims(**changes: Any) -> dict[str, Any]:
    moment = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": SIGN_IN,
        "sub": "ada@example.org",
        "username": "ada@example.org",
        "admin": False,
        "iat": moment,
        "exp": moment + DAY,  # long after the tests: an expired token would be rejected for that reason alone
        "jti": "1",
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


HEADER = {"alg": "HS256", "typ": "soundlift+jwt", "kid": SigningKeys((SECRET,)).current_id}


def _signed(claims: dict[str, Any], secret: str = SECRET, **header: Any) -> str:
    return jwt.encode(claims, secret, "HS256", headers={**HEADER, **header})


def _sign_manually(header: dict[str, Any], signature: bytes | None = None) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, _claims())]
    if signature is None:
        signature = hmac.new(SECRET.encode(), b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_response_to_a_valid_token_contains_its_claims(function: Call, services: Services, method: str) -> None:
    response = getattr(function("validate"), method)("/", headers=bearer(services, "root@example.org", admin=True))
    assert response.status_code == 200
    assert response.json["status"] == "OK"
    assert response.json["claims"]["username"] == "root@example.org"
    assert response.headers["X-Auth-Username"] == "root@example.org"
    assert response.headers["X-Auth-Admin"] == "true"


def test_the_tokens_of_these_tests_are_valid_unless_changed(function: Call) -> None:
    for token in (_signed(_claims()), _sign_manually(HEADER)):
        assert function("validate").get("/", headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize("prefix", ["bearer ", "BEARER ", "Bearer  "])
def test_the_case_of_the_scheme_and_the_number_of_spaces_do_not_matter(function: Call, prefix: str) -> None:
    assert function("validate").get("/", headers={"Authorization": f"{prefix}{_signed(_claims())}"}).status_code == 200


def test_a_token_of_the_maximum_length_is_accepted(function: Call) -> None:
    sizes = ((size, padding) for size in range(MAX_TOKEN_LENGTH) for padding in ("", "x"))
    tokens = (_signed(_claims(more="x" * size), x=padding) for size, padding in sizes)
    longest = next(token for token in tokens if len(token) == MAX_TOKEN_LENGTH)
    assert function("validate").get("/", headers={"Authorization": f"Bearer {longest}"}).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Basic YTpi",
        "Token abc",
        "Bearer a.b.c",
        "Bearer ....",
        "Bearer \xff\xfe",
        "Bearer Ünïcode".encode().decode("latin-1"),
        "Bearer " + "x" * 2**20,
        "Bearer " + "a." * 2**19,
        f"Bearer {_signed(_claims())} {_signed(_claims())}",
        f"Bearer {_signed(_claims())},{_signed(_claims())}",
        f"Bearer {_sign_manually({})}",
        f"Bearer {_signed(_claims(), 'another secret, also longer than 32 bytes')}",
        f"Bearer {_signed(_claims(iss='somebody'))}",
        f"Bearer {_signed(_claims(aud='somebody'))}",
        f"Bearer {_signed(_claims(aud=DOWNLOAD))}",
        f"Bearer {_signed(_claims(aud=[SIGN_IN, 'somebody']))}",
        f"Bearer {_signed(_claims(exp=int(time.time()) - 1))}",
        f"Bearer {_signed(_claims(exp='soon'))}",
        f"Bearer {_signed(_claims(nbf=int(time.time()) + DAY))}",
        f"Bearer {_signed(_claims(iat=int(time.time()) + DAY))}",
        f"Bearer {_signed(_claims(username=7))}",
        f"Bearer {_signed(_claims(admin='yes'))}",
        f"Bearer {_signed(_claims(more='x' * MAX_TOKEN_LENGTH))}",
        *(f"Bearer {_signed(_claims(**{name: None}))}" for name in _claims()),
    ],
)
def test_any_other_header_is_answered_401(function: Call, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    response = function("validate").get("/", headers=headers)
    assert_problem(response, 401, "Not Authorized")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_is_rejected_once_it_has_expired(services: Services) -> None:
    tokens = Tokens((SECRET,), sign_in_seconds=1, link_seconds=1)
    header = f"Bearer {tokens.sign_in('ada@example.org', admin=False)}"

    def is_rejected() -> bool:
        try:
            return not tokens.identify(header).username
        except NotAuthorized as rejection:
            return "expired" in rejection.detail

    wait_for(is_rejected, "the token has expired")
