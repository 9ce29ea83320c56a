"""Refusals and invalid answers are errors with a sentence; only requests without side effects are repeated."""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path
from typing import Any

import pytest
import urllib3

from soundlift.client import ApiError, Client, ConnectionFailed
from tests.client.conftest import EMAIL
from tests.client.servers import Reply, WrittenAnswers
from tests.factories.jobs import MP4


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
    client = Client(server.url, token="any")
    for call in (client.validate, client.login, lambda: client.job("1"), lambda: client.remove("1")):
        with pytest.raises(ConnectionFailed, match="Is this the address of a Soundlift gateway"):
            call()


@pytest.mark.usefixtures("_no_pause")
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_only_get_requests_are_repeated_if_the_server_is_busy(server: WrittenAnswers, status: int) -> None:
    busy, document = Reply(status), json.dumps({"claims": {"username": EMAIL}}).encode()
    client = Client(server.url, token="any")
    server.replies = [busy, busy, busy, Reply(200, document)]
    assert client.validate() == {"username": EMAIL}
    server.replies = [busy]
    with pytest.raises(ApiError) as refusal:
        client.validate()
    assert refusal.value.status == status
    assert server.requests == ["GET /validate"] * 8
    server.requests.clear()
    for call in (lambda: client.remove("1"), lambda: client.upload(io.BytesIO(MP4))):
        with pytest.raises(ApiError):
            call()
    assert server.requests == ["DELETE /jobs/1", "POST /upload"]


@pytest.mark.usefixtures("_no_pause")
def test_a_failed_connection_is_retried_except_for_an_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []
    connect = urllib3.util.connection.create_connection

    def record(*arguments: Any, **options: Any) -> object:
        tried.append(arguments[0])
        return connect(*arguments, **options)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", record)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # bound but not listening, so that no other process can use the port
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", token="any")
        for call, times in ((client.validate, 4), (lambda: client.upload(io.BytesIO(MP4)), 1)):
            tried.clear()
            with pytest.raises(ConnectionFailed, match="cannot be reached"):
                call()
            assert len(tried) == times
