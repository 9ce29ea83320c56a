"""login: sign-up and password reset by links in emails, which disclose nothing about who has an account."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from soundlift.common.auth.opaque_tokens import OpaqueToken
from soundlift.common.auth.password_links import Purpose
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.accounts import PASSWORD
from tests.factories.password_links import NEW, issued_token, offer_links, requested_links
from tests.factories.problems import assert_problem
from tests.factories.sessions import ADA, begin_session
from tests.fixtures.functions import Call

CHOSEN = "a new password"
REQUESTS = ["/sign-up", "/reset"]
ROUTES = [*REQUESTS, "/link", "/password"]


@pytest.fixture
def login(function: Call, services: Services) -> FlaskClient:
    """Return a client of a deployment that offers both."""
    offer_links(services)
    return function("login")


def choose(login: FlaskClient, token: OpaqueToken, password: str = CHOSEN) -> TestResponse:
    return login.post("/password", json={"token": token.text, "password": password})


def may_sign_in(login: FlaskClient, email: str, password: str) -> bool:
    return login.post("/", json={"email": email, "password": password}).status_code == 200


def without_date(response: TestResponse) -> tuple[int, bytes, dict[str, str]]:
    return response.status_code, response.data, {**response.headers, "Date": ""}


def test_neither_is_offered_by_default(function: Call, services: Services) -> None:
    login = function("login")
    assert login.get("/offers").json == {"sign_up": False, "password_reset": False, "provider": None}
    for path in REQUESTS:
        assert_problem(login.post(path, json={"email": NEW}), 404)
    assert requested_links(services) == []


def test_each_can_be_offered_alone(function: Call, services: Services) -> None:
    login = function("login")
    offer_links(services, password_reset=False)
    assert login.get("/offers").json == {"sign_up": True, "password_reset": False, "provider": None}
    assert login.post("/reset", json={"email": ADA}).status_code == 404
    assert login.post("/sign-up", json={"email": NEW}).status_code == 202
    assert_problem(choose(login, issued_token(services, ADA, Purpose.RESET)), 410, "Invalid Link", "invalid_link")


@pytest.mark.parametrize("path", REQUESTS)
def test_a_request_gets_the_same_answer_whoever_has_an_account(
    login: FlaskClient, services: Services, path: str
) -> None:
    services.users.disable("bob@example.org")
    answers = {}
    statements: dict[str, list[str]] = {}
    for email in (ADA, "bob@example.org", NEW):
        statements[email] = []

        def record(_: object, __: object, statement: str, *___: object, email: str = email) -> None:
            statements[email].append(statement)

        sa.event.listen(services.database.engine, "before_cursor_execute", record)
        response = login.post(path, json={"email": f" {email.upper()} "})
        sa.event.remove(services.database.engine, "before_cursor_execute", record)
        assert response.json == {"email": email}
        answers[email] = without_date(response)[0], len(response.headers)
    assert set(answers.values()) == {(202, len(response.headers))}
    # What takes time is the same too: nothing looks for the account.
    assert statements[ADA] == statements[NEW] == statements["bob@example.org"]
    assert not [statement for statement in statements[NEW] if "user" in statement]
    assert requested_links(services) == [(each, path[1:]) for each in sorted(answers)]


def test_a_sign_up_ends_in_an_account_that_can_sign_in(login: FlaskClient, services: Services) -> None:
    token = issued_token(services)
    assert not may_sign_in(login, NEW, CHOSEN)
    for _ in range(2):
        assert login.post("/link", json={"token": token.text}).json == {"email": NEW, "purpose": "sign-up"}
    response = choose(login, token)
    assert (response.status_code, response.json) == (200, {"email": NEW, "purpose": "sign-up"})
    assert response.headers["Cache-Control"] == "no-store"
    assert may_sign_in(login, NEW, CHOSEN)
    account = services.users.find(NEW)
    assert account is not None and not account.admin


def test_a_reset_replaces_the_password_and_ends_the_sessions(login: FlaskClient, services: Services) -> None:
    session = begin_session(services)
    assert choose(login, issued_token(services, ADA, Purpose.RESET)).status_code == 200
    assert not may_sign_in(login, ADA, PASSWORD)
    assert may_sign_in(login, ADA, CHOSEN)
    assert_problem(login.post("/refresh", json={"refresh_token": session.text}), 401)


def test_a_used_link_an_unknown_one_and_a_malformed_one_get_the_same_answer(
    login: FlaskClient, services: Services
) -> None:
    used = issued_token(services)
    choose(login, used)
    texts = [used.text, OpaqueToken.create().text, OpaqueToken.create(used.id).text, "x", "\0", "🎵" * 1000]
    for path in ("/link", "/password"):
        answers = [login.post(path, json={"token": text, "password": CHOSEN}) for text in texts]
        for answer in answers:
            assert_problem(answer, 410, "Invalid Link", "invalid_link")
        assert len({answer.data for answer in answers}) == 1


def test_no_password_is_hashed_for_an_invalid_link(login: FlaskClient, services: Services) -> None:
    services.__dict__["passwords"] = None
    assert choose(login, OpaqueToken.create()).status_code == 410


@pytest.mark.parametrize("password", ["short", "x" * 1025])
def test_a_link_can_be_used_after_a_password_that_was_refused(
    login: FlaskClient, services: Services, password: str
) -> None:
    token = issued_token(services)
    assert_problem(choose(login, token, password), 400)
    assert choose(login, token).status_code == 200


@pytest.mark.parametrize("path", ROUTES)
def test_opening_a_link_as_a_mail_scanner_does_uses_nothing_up(
    login: FlaskClient, services: Services, path: str
) -> None:
    token = issued_token(services)
    for method in ("GET", "HEAD"):
        assert login.open(path, method=method, query_string={"token": token.text}).status_code == 405
    assert choose(login, token).status_code == 200


@pytest.mark.parametrize(
    ("headers", "content_type"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, "application/json"),
        ({"Origin": "null"}, "application/json"),
        ({}, "text/plain"),
    ],
)
def test_a_page_of_another_site_can_request_and_choose_nothing(
    login: FlaskClient, services: Services, headers: dict[str, str], content_type: str
) -> None:
    token = issued_token(services)
    body = json.dumps({"email": ADA, "token": token.text, "password": CHOSEN})
    for path in ROUTES:
        response = login.post(path, data=body, headers=headers, content_type=content_type)
        assert_problem(response, 403, "Cross-Site Request", "cross_site_request")
    assert requested_links(services) == [(NEW, "sign-up")]
    assert services.users.find(NEW) is None


@pytest.mark.parametrize("path", ROUTES)
def test_a_malformed_request_is_rejected(login: FlaskClient, path: str) -> None:
    values = (1, "", None, ["a"], {"a": 1}, True)
    for body in (b"", b"[]", b"{", b"{}", *(json.dumps({"email": each, "token": each}).encode() for each in values)):
        assert_problem(login.post(path, data=body, content_type="application/json"), 400)


@pytest.mark.parametrize("path", REQUESTS)
def test_what_is_no_address_is_rejected(login: FlaskClient, services: Services, path: str) -> None:
    for address in (
        "x",
        "a@b@c",
        "`#@[",
        "a@{b}",
        "a\x00@b.org",
        "a\u202e@b.org",
        "a@b.org\r\nBcc: c@d.org",
        "a@\ud800",
    ):
        body = json.dumps({"email": address})
        assert_problem(login.post(path, data=body, content_type="application/json"), 400)
    assert requested_links(services) == []


def test_only_addresses_of_the_allowed_domains_may_sign_up(function: Call, services: Services) -> None:
    login, domains = function("login"), ("example.org", "example.net")
    offer_links(services, sign_up_domains=domains)
    for email in ("eve@evil.example", "eve@sub.example.org", "eve@example.org.evil.example"):
        refused = login.post("/sign-up", json={"email": email})
        assert_problem(refused, 403, "Address Not Allowed", "address_not_allowed")
        assert "at example.org or example.net" in refused.text
        assert login.post("/reset", json={"email": email}).status_code == 202
    assert login.post("/sign-up", json={"email": "Ada@EXAMPLE.net"}).status_code == 202


@pytest.mark.parametrize("path", REQUESTS)
def test_an_address_gets_only_a_few_emails_whether_or_not_it_has_an_account(
    login: FlaskClient, services: Services, path: str
) -> None:
    for email in (ADA, NEW):
        for _ in range(services.settings.account_emails):
            assert login.post(path, json={"email": email}).status_code == 202
        refused = login.post(path, json={"email": email.upper()})
        assert_problem(refused, 429, "Too Many Attempts", "too_many_attempts")
        assert refused.headers["Retry-After"] == "3600"
    assert login.post(path, json={"email": "other@example.org"}).status_code == 202
    assert len(requested_links(services)) == 3


def test_strangers_who_sign_up_with_the_address_of_a_user_do_not_prevent_a_reset(
    login: FlaskClient, services: Services
) -> None:
    token = issued_token(services, ADA, Purpose.RESET)
    while login.post("/sign-up", json={"email": ADA}).status_code == 202:
        pass
    assert choose(login, token).status_code == 200
    assert login.post("/reset", json={"email": ADA}).status_code == 202


def test_a_network_requests_only_so_many_emails_and_a_refused_request_replaces_no_link(
    login: FlaskClient, services: Services
) -> None:
    offer_links(services, account_emails_per_network=3, trusted_proxies=())
    token = issued_token(services)
    for number in range(3):
        assert login.post("/sign-up", json={"email": f"{number}@example.org"}).status_code == 202
    refused = login.post("/sign-up", json={"email": NEW})
    assert_problem(refused, 429, "Too Many Attempts", "too_many_attempts")
    assert "from your network" in refused.text
    assert choose(login, token).status_code == 200
    elsewhere = {"REMOTE_ADDR": "192.0.2.1"}
    assert login.post("/reset", json={"email": NEW}, environ_overrides=elsewhere).status_code == 202


@pytest.mark.parametrize("network", [None, "192.0.2.0/24"], ids=["anywhere", "a known network"])
def test_a_reset_unlocks_the_account(login: FlaskClient, services: Services, network: str | None) -> None:
    offer_links(services, sign_in_failures=1)
    address = {"REMOTE_ADDR": "192.0.2.1"}
    if network is not None:
        services.sign_in_limits.succeed(services.sign_in_limits.begin(ADA, network))
    wrong, right = ({"email": ADA, "password": password} for password in ("wrong", CHOSEN))
    assert login.post("/", json=wrong, environ_overrides=address).status_code == 401
    assert login.post("/", json=wrong, environ_overrides=address).status_code == 429
    body = {"token": issued_token(services, ADA, Purpose.RESET).text, "password": CHOSEN}
    assert login.post("/password", json=body, environ_overrides=address).status_code == 200
    assert login.post("/", json=right, environ_overrides=address).status_code == 200


def test_neither_tokens_nor_passwords_are_logged(login: FlaskClient, services: Services) -> None:
    token = issued_token(services)
    with capture_logs() as logs:
        for path in ("/link", "/password"):
            login.post(path, json={"token": token.text, "password": CHOSEN})
        choose(login, token)
    lines = json.dumps(logs, default=str)
    assert lines.count("/password") == 2
    assert token.secret not in lines
    assert CHOSEN not in lines


@pytest.mark.parametrize(("text", "domains"), [("", ()), ("Example.org, b.example", ("example.org", "b.example"))])
def test_the_domains_of_the_setting_are_read(text: str, domains: tuple[str, ...]) -> None:
    assert Settings.from_environment({"SIGN_UP_DOMAINS": text}).sign_up_domains == domains
