"""Downloads that the server redirects to its media store."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from devservers.ports import free_port
from soundlift.client import Client
from soundlift.client.store_urls import is_safe_url
from tests.client.servers import Reply, WrittenAnswers

AUDIO = bytes(range(256)) * 40
OURS = '"1234"'
LENGTH = {"Content-Length": str(len(AUDIO))}
SENT = Reply(200, AUDIO, {"ETag": '"of the store"', **LENGTH})


@pytest.fixture
def store() -> Iterator[WrittenAnswers]:
    with WrittenAnswers([SENT]).running() as store:
        yield store


@pytest.fixture
def client(server: WrittenAnswers) -> Client:
    return Client(server.url, token="secret")


def redirect(address: str) -> Reply:
    return Reply(302, headers={"Location": f"{address}/file?X-Amz-Signature=1", "ETag": OURS, "Content-Length": "0"})


def download(client: Client) -> bytes:
    file = io.BytesIO()
    client.download_to("0" * 24, file)
    return file.getvalue()


def test_a_redirect_is_followed_without_the_token(
    client: Client, server: WrittenAnswers, store: WrittenAnswers
) -> None:
    server.replies = [redirect(store.url)]
    assert download(client) == AUDIO
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert store.requests == ["GET /file?X-Amz-Signature=1"]
    assert "Authorization" not in store.headers[0]


def test_an_interrupted_download_continues_with_a_condition_that_the_server_knows(
    client: Client, server: WrittenAnswers, store: WrittenAnswers, tmp_path: Path, _no_pause: None
) -> None:
    rest = {"Content-Range": f"bytes 5000-{len(AUDIO) - 1}/{len(AUDIO)}", "ETag": OURS}
    server.replies = [redirect(store.url), Reply(206, AUDIO[5000:], {**rest, "Content-Length": str(len(AUDIO) - 5000)})]
    store.replies = [Reply(200, AUDIO[:5000], {"ETag": '"of the store"', **LENGTH})]
    assert client.download("0" * 24, tmp_path / "a.mp3").read_bytes() == AUDIO
    assert (server.headers[1]["Range"], server.headers[1]["If-Range"]) == ("bytes=5000-", OURS)


def test_a_url_that_has_expired_is_asked_for_once_more(
    client: Client, server: WrittenAnswers, store: WrittenAnswers
) -> None:
    server.replies = [redirect(store.url)]
    store.replies = [Reply(403, b"<Error/>"), SENT]
    assert download(client) == AUDIO
    assert len(server.requests) == len(store.requests) == 2


@pytest.mark.parametrize("status", [403, 404, 500, 301])
def test_the_server_sends_the_file_if_the_store_does_not(
    client: Client, server: WrittenAnswers, store: WrittenAnswers, status: int
) -> None:
    server.replies = [*[redirect(store.url)] * (2 if status == 403 else 1), SENT]
    store.replies = [Reply(status, b"<Error/>")]
    assert download(client) == AUDIO
    assert server.requests[-1].endswith("&redirect=false")
    assert download(client) == AUDIO
    assert server.requests[-1].endswith("&redirect=false"), "the store is not asked again"


def test_the_server_sends_the_file_if_the_store_cannot_be_reached(client: Client, server: WrittenAnswers) -> None:
    server.replies = [redirect(f"http://127.0.0.1:{free_port()}"), SENT]
    assert download(client) == AUDIO
    assert server.requests[-1].endswith("&redirect=false")


def test_only_urls_of_http_are_followed_and_none_without_tls_after_one_with_it() -> None:
    for url, server, is_safe in (
        ("http://store/a", "http://server", True),
        ("https://store/a", "http://server", True),
        ("https://store/a", "https://server", True),
        ("http://store/a", "https://server", False),
        ("file:///etc/passwd", "http://server", False),
        ("//store/a", "http://server", False),
        ("/a", "http://server", False),
        ("http://[", "http://server", False),
        ("", "http://server", False),
    ):
        assert is_safe_url(url, server) == is_safe
