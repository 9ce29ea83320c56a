"""A download is saved completely or raises an error, and never leaves a partial file."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from soundlift.client import ApiError, Client, ConnectionFailed
from soundlift.client.transfers import BLOCK
from soundlift.common.services import Services
from tests.client.servers import Deployment, Reply, WrittenAnswers
from tests.factories.jobs import MP4, queued_job, ready_job

VIDEO = MP4 + bytes(BLOCK)
MP3 = b"ID3" + bytes(1000)
LENGTH = {"Content-Length": str(len(MP3))}
CHUNKED = {"Transfer-Encoding": "chunked"}
CHUNK = f"{len(MP3):x}\r\n".encode() + MP3
COMPLETE = {
    "with its length": (Reply(200, MP3, LENGTH), len(MP3)),
    "in chunks": (Reply(200, CHUNK + b"\r\n0\r\n\r\n", CHUNKED), None),
    "to the end of the connection": (Reply(200, MP3), None),
}
TRUNCATED = {
    "at the first byte": Reply(200, b"", LENGTH),
    "halfway": Reply(200, MP3[: len(MP3) // 2], LENGTH),
    "before the last byte": Reply(200, MP3[:-1], LENGTH),
    "in a chunk": Reply(200, CHUNK[: len(CHUNK) // 2], CHUNKED),
    "before the last chunk": Reply(200, CHUNK + b"\r\n", CHUNKED),
}


@pytest.mark.parametrize(("reply", "total"), COMPLETE.values(), ids=COMPLETE)
def test_a_complete_download_replaces_an_existing_file(
    server: WrittenAnswers, tmp_path: Path, reply: Reply, total: int | None
) -> None:
    server.replies = [reply]
    client = Client(server.url, token="any")
    (tmp_path / "a.mp3").write_bytes(b"another")
    progress: list[tuple[int, int | None]] = []
    path = client.download(
        "a job", tmp_path / "a.mp3", lambda done, total: progress.append((done, total)), replace=True
    )
    assert path.read_bytes() == MP3
    assert list(tmp_path.iterdir()) == [path]
    assert progress[-1] == (len(MP3), total)


@pytest.mark.parametrize("reply", TRUNCATED.values(), ids=TRUNCATED)
def test_a_truncated_download_is_an_error_and_keeps_an_existing_file(
    server: WrittenAnswers, tmp_path: Path, reply: Reply
) -> None:
    server.replies = [reply]
    client = Client(server.url, token="any", retry_seconds=0)
    with pytest.raises(ConnectionFailed, match=r"^The connection to the server was interrupted"):
        client.download("a job", tmp_path / "a.mp3")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.mp3").write_bytes(b"another")
    with pytest.raises(ConnectionFailed):
        client.download("a job", tmp_path / "a.mp3", replace=True)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.mp3": b"another"}


@pytest.mark.parametrize("by", ["id", "job"])
def test_an_mp3_is_saved_to_the_path_and_replaces_an_existing_file(
    client: Client, services: Services, tmp_path: Path, by: str
) -> None:
    row = ready_job(services, VIDEO)
    target = tmp_path / "saved" / "a.mp3"
    target.parent.mkdir()
    target.write_bytes(b"old")
    seen: list[tuple[int, int | None]] = []
    job = client.job(row.id) if by == "job" else row.id
    saved = client.download(job, str(target), lambda done, total: seen.append((done, total)), replace=True)
    assert (saved, target.read_bytes()) == (target, VIDEO)
    assert list(target.parent.iterdir()) == [target]
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {len(VIDEO)}
    assert seen[-1] == (len(VIDEO), len(VIDEO))


@pytest.mark.parametrize(("count", "line"), [(2, "GET /download"), (101, "POST /download")])
def test_more_jobs_than_a_url_can_name_are_downloaded_as_well(
    client: Client, services: Services, deployment: Deployment, tmp_path: Path, count: int, line: str
) -> None:
    row = ready_job(services, VIDEO)
    with ZipFile(client.download_zip([row.id] * count, tmp_path / "a.zip")) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [VIDEO]
    assert deployment.lines[-1] == line


def test_a_missing_mp3_leaves_no_file(client: Client, services: Services, tmp_path: Path) -> None:
    target = tmp_path / "saved" / "a.mp3"
    target.parent.mkdir()
    with pytest.raises(ApiError) as refusal:
        client.download(queued_job(services).id, target)
    assert refusal.value.code == "not_ready"
    assert list(target.parent.iterdir()) == []
