"""Refusals and invalid answers are errors with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundlift.client import ApiError, Client, ConnectionFailed
from tests.client.servers import Reply, WrittenAnswers


@pytest.mark.parametrize(
    ("reply", "title", "code", "detail"),
    [
        (Reply(403, b"<html>"), "Forbidden", "unexpected_answer", "The server answered 403 Forbidden."),
        (Reply(403, b"[]"), "Forbidden", "unexpected_answer", "The server answered 403 Forbidden."),
        (Reply(403, b'{"title": "No"}'), "No", "unexpected_answer", "The server answered 403 No."),
        (Reply(403, b'{"title": "No", "code": "no", "detail": "Never."}'), "No", "no", "Never."),
        (Reply(302, b"", {"Location": "/"}), "Found", "unexpected_answer", "The server answered 302 Found."),
        (Reply(300), "Multiple Choices", "unexpected_answer", "The server answered 300 Multiple Choices."),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_is_an_error_even_if_a_proxy_has_answered(
    server: WrittenAnswers, tmp_path: Path, reply: Reply, title: str, code: str, detail: str, stream: bool
) -> None:
    server.replies = [reply]
    client = Client(server.url, token="any")
    with pytest.raises(ApiError) as refusal:
        client.download("1", tmp_path / "a.mp3") if stream else client.validate()
    error = refusal.value
    assert (error.status, error.title, error.code, error.detail) == (reply.status, title, code, detail)
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"text"', b"null"])
def test_an_answer_without_a_json_object_is_not_from_soundlift(server: WrittenAnswers, body: bytes) -> None:
    server.replies = [Reply(200, body)]
    client = Client(server.url, token="any", email="you@example.org", password="a password")
    for call in (client.validate, client.login, lambda: client.job("1"), lambda: client.delete("1")):
        with pytest.raises(ConnectionFailed, match="Is this the address of a Soundlift gateway"):
            call()
