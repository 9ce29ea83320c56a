"""A client signs in when a request needs it, and repeats a sign-in that the server is too busy for."""

from __future__ import annotations

import json

import pytest

from soundlift.client import ApiError, Client
from tests.client.conftest import EMAIL
from tests.client.servers import Deployment, Reply, WrittenAnswers
from tests.factories.accounts import PASSWORD

PROBLEM = {"code": "busy", "title": "Too Many Requests", "detail": "Try again.", "status": 429}
BUSY = Reply(429, json.dumps(PROBLEM).encode(), {"Retry-After": "0"})
SIGNED_IN = Reply(200, b'{"access_token": "a token"}')


def test_a_client_signs_in_once_before_the_first_request(deployment: Deployment) -> None:
    client = Client(f"{deployment.url}/", email=EMAIL, password=PASSWORD)
    assert [client.validate()["username"] for _ in range(2)] == [EMAIL] * 2
    assert deployment.lines == ["POST /login", "GET /validate", "GET /validate"]


def test_a_wrong_password_raises_the_servers_error(deployment: Deployment) -> None:
    with pytest.raises(ApiError) as refusal:
        Client(deployment.url, email=EMAIL, password="wrong").validate()
    error = refusal.value
    assert (error.status, error.code, error.title) == (401, "invalid_credentials", "Invalid Credentials")
    assert error.detail == str(error) == "The email address or the password is wrong."


def test_a_busy_login_is_repeated(server: WrittenAnswers) -> None:
    server.replies = [BUSY, SIGNED_IN]
    assert Client(server.url, email="you@example.org", password="a password").login() == "a token"


def test_a_login_that_stays_busy_is_an_error(server: WrittenAnswers, _stepping_time: None) -> None:
    server.replies = [BUSY]
    with pytest.raises(ApiError) as refusal:
        Client(server.url, email="you@example.org", password="a password", retry_seconds=3).login()
    assert (refusal.value.status, refusal.value.code) == (429, "busy")
    assert server.requests[1:] == ["POST /login"] * 2
