"""A download is whole or an error, and leaves no file that looks whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from soundlift.client import Client, ConnectionFailed
from tests.client.servers import Reply, WrittenAnswers

MP3 = b"ID3" + bytes(1000)
LENGTH = {"Content-Length": str(len(MP3))}
CHUNKED = {"Transfer-Encoding": "chunked"}
CHUNK = f"{len(MP3):x}\r\n".encode() + MP3
WHOLE = {
    "with its length": (Reply(200, MP3, LENGTH), len(MP3)),
    "in chunks": (Reply(200, CHUNK + b"\r\n0\r\n\r\n", CHUNKED), None),
    "to the end of the connection": (Reply(200, MP3), None),
}
CUT_OFF = {
    "at the first byte": Reply(200, b"", LENGTH),
    "half way": Reply(200, MP3[: len(MP3) // 2], LENGTH),
    "before the last byte": Reply(200, MP3[:-1], LENGTH),
    "in a chunk": Reply(200, CHUNK[: len(CHUNK) // 2], CHUNKED),
    "before the last chunk": Reply(200, CHUNK + b"\r\n", CHUNKED),
}


@pytest.fixture
def server() -> Iterator[WrittenAnswers]:
    with WrittenAnswers().running() as server:
        yield server


@pytest.fixture
def client(server: WrittenAnswers) -> Client:
    return Client(server.url, token="any")


@pytest.mark.parametrize(("reply", "total"), WHOLE.values(), ids=WHOLE)
def test_a_whole_download_replaces_what_was_there(
    server: WrittenAnswers, client: Client, tmp_path: Path, reply: Reply, total: int | None
) -> None:
    server.replies = [reply]
    (tmp_path / "a.mp3").write_bytes(b"another")
    told: list[tuple[int, int | None]] = []
    path = client.download("a job", tmp_path / "a.mp3", lambda done, total: told.append((done, total)))
    assert path.read_bytes() == MP3
    assert list(tmp_path.iterdir()) == [path]
    assert told == [(len(MP3), total)]


@pytest.mark.parametrize("reply", CUT_OFF.values(), ids=CUT_OFF)
def test_a_download_that_ends_early_is_an_error_and_leaves_what_was_there(
    server: WrittenAnswers, client: Client, tmp_path: Path, reply: Reply
) -> None:
    server.replies = [reply]
    with pytest.raises(ConnectionFailed, match=r"^The server does not answer as it should: "):
        client.download("a job", tmp_path / "a.mp3")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.mp3").write_bytes(b"another")
    with pytest.raises(ConnectionFailed):
        client.download("a job", tmp_path / "a.mp3")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.mp3": b"another"}
