"""Refusals and invalid answers are errors with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundlift.client import ApiError, Client, ConnectionFailed, NotSupported
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


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100000,
        b"\xff\xfe",
        b'{"jobs": 7, "links": {}}',
        b'{"jobs": [7], "links": {}}',
        b'{"jobs": [{}], "links": {}}',
        b'{"jobs": [], "links": []}',
        b'{"job_id": "1", "state": "ready", "error": [], "created_at": "today"}',
    ],
)
def test_an_answer_of_another_form_is_an_error_of_the_client(server: WrittenAnswers, body: bytes) -> None:
    server.replies = [Reply(200, body)]
    client = Client(server.url, token="any")
    for call in (client.validate, lambda: list(client.jobs()), lambda: client.job("1"), lambda: client.link("1")):
        with pytest.raises(ConnectionFailed, match=r"Is (it|this the address of a) Soundlift"):
            call()


def test_an_older_server_is_named_as_the_reason(server: WrittenAnswers) -> None:
    server.replies = [Reply(405, b"{}")]
    client = Client(server.url, token="any")
    for call in (lambda: client.link("1"), lambda: client.link(["1", "2"]), lambda: client.retry("1")):
        with pytest.raises(NotSupported, match="it may be older than this client"):
            call()


def test_a_zip_file_of_an_older_server_is_named_as_the_reason(server: WrittenAnswers, tmp_path: Path) -> None:
    server.replies = [Reply(400, b'{"code": "bad_request", "detail": "fid is required"}')]
    with pytest.raises(NotSupported, match="does not make ZIP files"):
        Client(server.url, token="any").download_zip(["1", "2"], tmp_path / "a.zip")
    server.replies = [Reply(405, b"{}")]
    with pytest.raises(NotSupported, match="it may be older than this client"):
        Client(server.url, token="any").download_zip(map(str, range(101)), tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_server_without_tls_is_named_as_the_reason(server: WrittenAnswers) -> None:
    with pytest.raises(ConnectionFailed, match="does not use TLS"):
        Client(server.url.replace("http://", "https://"), token="any").validate()


def test_an_address_without_an_api_is_named_as_the_reason(server: WrittenAnswers) -> None:
    server.replies = [Reply(404, b'{"code": "not_found", "detail": "The page has no file at this path."}')]
    with pytest.raises(ApiError, match=f"There is no Soundlift API at {server.url}/web"):
        Client(f"{server.url}/web/", token="any").validate()
