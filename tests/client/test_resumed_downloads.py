"""An interrupted download continues where it was, also in a later process, and never mixes two versions of a file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from soundlift.client import ApiError, Client, ConnectionFailed
from soundlift.client.transfers import BLOCK
from soundlift.common.services import Services
from tests.client.conftest import EMAIL
from tests.client.servers import Deployment, Reply, WrittenAnswers
from tests.factories.jobs import MP4, ready_job

VIDEO = MP4 + bytes(range(256)) * (BLOCK // 100)
MP3 = bytes(range(250)) * 4
PARTIAL = {"Content-Length": "600", "Content-Range": "bytes 400-999/1000", "ETag": '"1"'}
WHOLE = {"Content-Length": "1000", "ETag": '"1"'}

pytestmark = pytest.mark.usefixtures("_no_pause")


def _ranges(deployment: Deployment) -> list[str | None]:
    return [request.headers.get("Range") for request in deployment.requests if request.path == "/download"]


def test_a_download_continues_after_each_interruption(
    client: Client, deployment: Deployment, services: Services, tmp_path: Path
) -> None:
    row = ready_job(services, VIDEO)
    seen: list[int] = []
    deployment.cuts = [BLOCK, BLOCK + 5, 100]
    path = client.download(row.id, tmp_path / "a.mp3", lambda done, total: seen.append(done))
    assert path.read_bytes() == VIDEO
    assert list(tmp_path.iterdir()) >= [path]
    first, *others = _ranges(deployment)
    assert first is None
    assert [text is not None and text.startswith("bytes=") for text in others] == [True] * 3
    assert all(request.headers.get("If-Range") for request in deployment.requests[1:])
    assert seen == sorted(seen)


def test_a_later_process_continues_the_download(
    client: Client, deployment: Deployment, services: Services, tmp_path: Path
) -> None:
    row, folder = ready_job(services, VIDEO), tmp_path / "saved"
    folder.mkdir()
    client.keep_trying(0)
    deployment.cuts = [BLOCK + 7]
    with pytest.raises(ConnectionFailed):
        client.download(row.id, folder / "a.mp3")
    (part,) = folder.iterdir()
    assert part.name.startswith(".")
    received = part.stat().st_size
    assert 0 < received < len(VIDEO)
    later = Client(deployment.url, token=services.tokens.sign_in(EMAIL, admin=False))
    assert later.download(row.id, folder / "a.mp3").read_bytes() == VIDEO
    assert _ranges(deployment) == [None, None, f"bytes={received}-"]
    assert [path.name for path in folder.iterdir()] == ["a.mp3"]


def test_a_later_process_only_publishes_a_download_that_is_complete(
    client: Client, deployment: Deployment, services: Services, tmp_path: Path
) -> None:
    row, folder = ready_job(services, VIDEO), tmp_path / "saved"
    folder.mkdir()
    client.keep_trying(0)
    deployment.cuts = [len(VIDEO) - 1]
    with pytest.raises(ConnectionFailed):
        client.download(row.id, folder / "a.mp3")
    (part,) = folder.iterdir()
    part.write_bytes(VIDEO)
    deployment.requests.clear()
    assert client.download(row.id, folder / "a.mp3").read_bytes() == VIDEO
    assert deployment.lines == ["HEAD /download"]


def test_another_job_at_the_same_path_begins_anew(
    client: Client, deployment: Deployment, services: Services, tmp_path: Path
) -> None:
    first, second = ready_job(services, VIDEO), ready_job(services, VIDEO[::-1])
    client.keep_trying(0)
    deployment.cuts = [BLOCK]
    with pytest.raises(ConnectionFailed):
        client.download(first.id, tmp_path / "a.mp3")
    assert client.download(second.id, tmp_path / "a.mp3").read_bytes() == VIDEO[::-1]
    assert _ranges(deployment) == [None, None]


def test_a_file_that_has_changed_is_received_from_its_beginning(server: WrittenAnswers, tmp_path: Path) -> None:
    changed = {"Content-Length": "1000", "ETag": '"2"'}
    server.replies = [Reply(200, MP3[:400], WHOLE), Reply(200, MP3[::-1], changed)]
    path = Client(server.url, token="any").download("a job", tmp_path / "a.mp3")
    assert path.read_bytes() == MP3[::-1]
    assert (server.headers[1]["Range"], server.headers[1]["If-Range"]) == ("bytes=400-", '"1"')
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "headers",
    [
        PARTIAL | {"Content-Range": "bytes 399-998/1000"},
        PARTIAL | {"Content-Range": "bytes 400-"},
        PARTIAL | {"ETag": '"2"'},
    ],
)
def test_a_part_that_does_not_fit_is_not_appended(
    server: WrittenAnswers, tmp_path: Path, headers: dict[str, str]
) -> None:
    server.replies = [Reply(200, MP3[:400], WHOLE), Reply(206, bytes(600), headers), Reply(200, MP3, WHOLE)]
    assert Client(server.url, token="any").download("a job", tmp_path / "a.mp3").read_bytes() == MP3


@pytest.mark.parametrize("tag", ["", 'W/"1"', '"\u00fc"'])
def test_without_a_strong_version_a_download_begins_anew_and_leaves_nothing(
    server: WrittenAnswers, tmp_path: Path, tag: str
) -> None:
    headers = {"Content-Length": "1000"} | ({"ETag": tag} if tag else {})
    server.replies = [Reply(200, MP3[:400], headers), Reply(200, MP3, headers)]
    assert Client(server.url, token="any").download("a job", tmp_path / "a.mp3").read_bytes() == MP3
    assert "Range" not in server.headers[1]
    server.replies = [Reply(200, MP3[:400], headers)]
    with pytest.raises(ConnectionFailed):
        Client(server.url, token="any").download("a job", tmp_path / "b.mp3")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp3"]


def test_the_number_of_tries_without_a_byte_is_limited(server: WrittenAnswers, tmp_path: Path) -> None:
    server.replies = [Reply(200, MP3[:400], WHOLE), Reply(206, b"", PARTIAL)]
    with pytest.raises(ConnectionFailed):
        Client(server.url, token="any", retry_seconds=float("inf")).download("a job", tmp_path / "a.mp3")
    assert 3 <= len(server.requests) <= 8


def test_a_refusal_in_between_is_the_servers_error_and_keeps_nothing_of_another_job(
    server: WrittenAnswers, tmp_path: Path
) -> None:
    server.replies = [Reply(200, MP3[:400], WHOLE), Reply(410, b'{"code": "expired", "detail": "It has expired."}')]
    with pytest.raises(ApiError, match=r"^It has expired\.$"):
        Client(server.url, token="any").download("a job", tmp_path / "a.mp3")
    assert not (tmp_path / "a.mp3").exists()


def test_an_open_file_gets_each_byte_once(client: Client, deployment: Deployment, services: Services) -> None:
    row, file = ready_job(services, VIDEO), io.BytesIO()
    deployment.cuts = [BLOCK, 10]
    client.download_to(row.id, file)
    assert file.getvalue() == VIDEO


def test_bytes_that_cannot_be_taken_back_are_not_repeated(server: WrittenAnswers) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    pipe = Pipe()
    server.replies = [Reply(200, MP3[:400], {"Content-Length": "1000"}), Reply(200, MP3, {"Content-Length": "1000"})]
    with pytest.raises(ConnectionFailed, match="the server cannot continue it"):
        Client(server.url, token="any").download_to("a job", pipe)
    assert pipe.getvalue() == MP3[:400]


def test_a_full_disk_is_an_error_of_the_operating_system(server: WrittenAnswers) -> None:
    class Full(io.BytesIO):
        def write(self, block: object) -> int:
            raise OSError(28, "No space left on device")

    server.replies = [Reply(200, MP3, WHOLE)]
    with pytest.raises(OSError, match="No space left on device"):
        Client(server.url, token="any").download_to("a job", Full())


def test_an_existing_file_is_an_error_before_any_request(
    client: Client, deployment: Deployment, tmp_path: Path
) -> None:
    (tmp_path / "a.mp3").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        client.download("a job", tmp_path / "a.mp3")
    with pytest.raises(FileExistsError):
        client.convert(tmp_path / "a.mp4", tmp_path / "a.mp3")
    assert deployment.lines == []
