"""A client signs in again by itself: once per request, once for all threads, and without losing a token."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from soundlift.client import ApiError, BadArgument, Client, ClientError
from soundlift.common.auth.tokens import Tokens
from soundlift.common.services import Services
from tests.client.conftest import EMAIL
from tests.client.servers import Deployment, Reply, WrittenAnswers
from tests.factories.accounts import PASSWORD
from tests.factories.jobs import MP4, queued_job

REFUSED = Reply(401, b'{"code": "not_authorized", "title": "Unauthorized", "detail": "The token has expired."}')
CLAIMS = Reply(200, json.dumps({"claims": {"username": EMAIL}}).encode())


def _tokens(access: str, refresh: str | None = None, seconds: int = 3600) -> Reply:
    document: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "expires_in": seconds}
    return Reply(200, json.dumps(document | ({"refresh_token": refresh} if refresh else {})).encode())


def test_an_expired_token_is_renewed_with_the_password(deployment: Deployment, services: Services) -> None:
    expired = Tokens(services.settings.jwt_secret, sign_in_seconds=-60, link_seconds=60)
    client = Client(deployment.url, token=expired.sign_in(EMAIL, admin=False), email=EMAIL, password=PASSWORD)
    assert client.job(queued_job(services).id).state == "queued"
    assert [line.split("/")[1] for line in deployment.lines] == ["jobs", "login", "jobs"]


def test_an_expired_token_during_an_upload_sends_the_file_again(
    deployment: Deployment, services: Services, tmp_path: Any
) -> None:
    expired = Tokens(services.settings.jwt_secret, sign_in_seconds=-60, link_seconds=60)
    client = Client(deployment.url, token=expired.sign_in(EMAIL, admin=False), email=EMAIL, password=PASSWORD)
    (tmp_path / "a.mp4").write_bytes(MP4)
    assert client.upload(tmp_path / "a.mp4").video_bytes == len(MP4)


def test_a_token_that_is_refused_twice_is_the_servers_error(server: WrittenAnswers) -> None:
    server.replies = [REFUSED, _tokens("new"), REFUSED]
    with pytest.raises(ApiError, match=r"^The token has expired\.$"):
        Client(server.url, token="old", email=EMAIL, password="p").validate()
    assert server.requests == ["GET /validate", "POST /login", "GET /validate"]


def test_without_credentials_a_refused_token_is_the_servers_error(server: WrittenAnswers) -> None:
    server.replies = [REFUSED]
    with pytest.raises(ApiError):
        Client(server.url, token="old").validate()
    assert server.requests == ["GET /validate"]


def test_a_refresh_token_is_used_before_the_password(server: WrittenAnswers) -> None:
    kept: list[tuple[str, str | None]] = []
    server.replies = [REFUSED, _tokens("new", "second"), CLAIMS]
    client = Client(
        server.url, token="old", refresh_token="first", email=EMAIL, password="p", on_tokens=lambda *t: kept.append(t)
    )
    assert client.validate() == {"username": EMAIL}
    assert server.requests == ["GET /validate", "POST /login/refresh", "GET /validate"]
    assert json.loads(server.bodies[1]) == {"refresh_token": "first"}
    assert kept == [("new", "second")]
    assert server.headers[2]["Authorization"] == "Bearer new"


@pytest.mark.parametrize("refusal", [REFUSED, Reply(404), Reply(405), Reply(400)])
def test_after_a_refused_refresh_token_the_password_is_used(server: WrittenAnswers, refusal: Reply) -> None:
    server.replies = [refusal, _tokens("new"), CLAIMS]
    client = Client(server.url, refresh_token="first", email=EMAIL, password="p")
    assert client.validate() == {"username": EMAIL}
    assert server.requests == ["POST /login/refresh", "POST /login", "GET /validate"]


def test_a_refused_refresh_token_without_a_password_is_the_servers_error(server: WrittenAnswers) -> None:
    server.replies = [Reply(401, b'{"code": "invalid_session", "detail": "The session has ended. Sign in again."}')]
    with pytest.raises(ApiError) as refusal:
        Client(server.url, refresh_token="first").validate()
    assert refusal.value.code == "invalid_session"


def test_a_refresh_token_is_only_requested_by_a_program_that_keeps_it(server: WrittenAnswers) -> None:
    server.replies = [_tokens("a")]
    Client(server.url, email=EMAIL, password="p").login()
    Client(server.url, email=EMAIL, password="p", on_tokens=lambda access, refresh: None).login()
    plain, keeping = map(json.loads, server.bodies)
    assert plain == {"email": EMAIL, "password": "p"}
    assert keeping == {"email": EMAIL, "password": "p", "refresh": "token"}


def test_a_token_is_renewed_before_it_expires(server: WrittenAnswers) -> None:
    server.replies = [_tokens("first", seconds=0), CLAIMS, _tokens("second"), CLAIMS]
    client = Client(server.url, email=EMAIL, password="p")
    client.validate()
    client.validate()
    assert server.requests == ["POST /login", "GET /validate"] * 2


def test_threads_share_one_sign_in(deployment: Deployment, services: Services) -> None:
    client = Client(deployment.url, email=EMAIL, password=PASSWORD, connections=8)
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: client.validate()["username"], range(24)))
    assert names == [EMAIL] * 24
    assert deployment.lines.count("POST /login") == 1


def test_threads_whose_token_is_refused_share_one_sign_in(deployment: Deployment, services: Services) -> None:
    expired = Tokens(services.settings.jwt_secret, sign_in_seconds=-60, link_seconds=60).sign_in(EMAIL, admin=False)
    client = Client(deployment.url, token=expired, email=EMAIL, password=PASSWORD)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: client.validate()["username"], range(8))) == [EMAIL] * 8
    assert deployment.lines.count("POST /login") == 1
    assert deployment.lines.count("GET /validate") > 8


def test_signing_out_ends_the_session_and_forgets_the_tokens(server: WrittenAnswers) -> None:
    server.replies = [Reply(204)]
    client = Client(server.url, token="any", refresh_token="first")
    client.sign_out()
    assert (server.requests, json.loads(server.bodies[0])) == (["POST /login/sign-out"], {"refresh_token": "first"})
    with pytest.raises(BadArgument, match=r"^Credentials are missing"):
        client.validate()


@pytest.mark.parametrize("reply", [Reply(200, b"{}"), Reply(200, b'{"access_token": 7}')])
def test_an_answer_without_a_token_is_not_from_soundlift(server: WrittenAnswers, reply: Reply) -> None:
    server.replies = [reply]
    with pytest.raises(ClientError, match="has no token"):
        Client(server.url, email=EMAIL, password="p").login()


@pytest.mark.parametrize("token", ["a b", "a\nX: y", "ä", "\ud800", ""])
def test_a_token_that_no_header_can_hold_is_an_error_of_the_client(server: WrittenAnswers, token: str) -> None:
    with pytest.raises(BadArgument, match="copy it again"):
        Client(server.url, token=token).validate()
    assert server.requests == []


@pytest.mark.parametrize(("email", "password"), [("\ud800@x.org", "p"), ("ü@x.org", "\udcff\0")])
def test_any_text_can_be_sent_as_a_credential(deployment: Deployment, email: str, password: str) -> None:
    with pytest.raises(ApiError) as refusal:
        Client(deployment.url, email=email, password=password).login()
    assert refusal.value.status in (400, 401)


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:8080", "ftp://x", "http://", "http://[x", "http://x:y", "http://a b", "http://x/?a=b", "file:///"],
)
def test_an_address_that_is_not_one_of_http_is_an_error_of_the_client(url: str) -> None:
    with pytest.raises(BadArgument, match="is not the address of a deployment"):
        Client(url, token="any")


def test_the_address_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOUNDLIFT_URL", raising=False)
    assert Client().url == "http://127.0.0.1:8080"
    monkeypatch.setenv("SOUNDLIFT_URL", "https://soundlift.example.org/function/")
    with Client() as client:
        assert client.url == "https://soundlift.example.org/function"
