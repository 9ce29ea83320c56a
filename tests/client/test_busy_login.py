"""The client signs in again, after the time that the server names, where a login was too busy."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from soundlift.client import LOGIN_RETRIES, ApiError, Client
from tests.client.servers import Reply, WrittenAnswers

PROBLEM = {"code": "busy", "title": "Too Many Requests", "detail": "Try again.", "status": 429}
BUSY = Reply(429, json.dumps(PROBLEM).encode(), {"Retry-After": "0"})
SIGNED_IN = Reply(200, b'{"access_token": "a token"}')


@pytest.fixture
def server() -> Iterator[WrittenAnswers]:
    with WrittenAnswers().running() as server:
        yield server


def test_a_busy_login_is_tried_again(server: WrittenAnswers) -> None:
    server.replies = [BUSY, SIGNED_IN]
    assert Client(server.url, email="you@example.org", password="a password").login() == "a token"


def test_a_login_that_stays_busy_is_an_error(server: WrittenAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundlift.client.LOGIN_RETRIES", LOGIN_RETRIES.new(backoff_factor=0))
    server.replies = [BUSY]
    with pytest.raises(ApiError) as refusal:
        Client(server.url, email="you@example.org", password="a password").login()
    assert (refusal.value.status, refusal.value.code) == (429, "busy")
    assert server.asked == ["POST /login"] * 4
