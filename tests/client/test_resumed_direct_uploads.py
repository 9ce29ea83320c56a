"""A direct upload of a file that is given by its path is recorded, and continued by a later process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devservers.ports import free_port
from soundlift.client import ApiError, Client, FileChanged
from tests.client.conftest import Killed
from tests.client.servers import Reply, WrittenAnswers
from tests.client.test_direct_uploads import ID, PART, VIDEO, begun, client, queued, reply, signed, store

__all__ = ["client", "queued", "store"]

BEGIN, COMPLETE, ABANDON = "POST /upload/direct", f"POST /upload/direct/{ID}/complete", f"DELETE /upload/direct/{ID}"
PARTS = f"POST /upload/direct/{ID}/parts"
CLAIMS = reply(200, {"claims": {"username": "ada@example.org"}})

pytestmark = pytest.mark.usefixtures("records")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    file = tmp_path / "a.mp4"
    file.write_bytes(VIDEO)
    return file


@pytest.fixture
def server(server: WrittenAnswers) -> WrittenAnswers:
    server.by_request = {"GET /validate": CLAIMS}
    return server


def requests(server: WrittenAnswers) -> list[str]:
    """Return the requests about uploads, without those that repeat."""
    return [each for each in server.requests if each not in ("GET /validate", PARTS)]


def keys(server: WrittenAnswers) -> list[str]:
    return [headers["Idempotency-Key"] for headers in server.headers if "Idempotency-Key" in headers]


def sent_later(store: WrittenAnswers) -> list[str]:
    """Return the parts that a later process has sent, while threads of the first one may still be at work."""
    return sorted(each for each in store.requests if each.startswith("PUT /later/"))


def interrupt(client: Client, video: Path, error: BaseException) -> None:
    """Begin an upload, which ends with an error once a part has arrived."""

    def fail(done: int, total: int) -> None:
        if done:
            raise error

    with pytest.raises(type(error)):
        client.upload(video, on_resumable=fail)


def test_only_the_missing_parts_are_sent_with_the_same_key(
    client: Client, server: WrittenAnswers, store: WrittenAnswers, queued: Reply, video: Path, records: Path
) -> None:
    server.replies = [begun(store.url)]
    interrupt(client, video, Killed())
    assert requests(server) == [BEGIN], "nothing is abandoned"
    (record,) = records.iterdir()
    later = f"{store.url}/later"
    assert json.loads(record.read_text())["path"] == f"/upload/direct/{ID}"
    server.replies = [begun(later, received=[1, 3], parts=signed(later, range(2, 3))), queued]
    progress: list[Any] = []
    resumable: list[Any] = []
    job = Client(server.url, token="secret").upload(
        video, None, lambda done, _: progress.append(done), lambda *sizes: resumable.append(sizes)
    )
    assert job.state == "queued"
    assert sent_later(store) == ["PUT /later/2"]
    assert requests(server) == [BEGIN, BEGIN, COMPLETE]
    assert len(set(keys(server))) == 1
    assert resumable == [(len(VIDEO) - PART, len(VIDEO)), (len(VIDEO), len(VIDEO))]
    assert (min(progress) > len(VIDEO) - PART, progress[-1]) == (True, len(VIDEO))
    assert list(records.iterdir()) == []


def test_the_job_of_a_completed_upload_is_found(
    client: Client, server: WrittenAnswers, store: WrittenAnswers, queued: Reply, video: Path, records: Path
) -> None:
    server.replies = [begun(store.url), reply(503, {"code": "busy"})]
    with pytest.raises(ApiError):
        Client(server.url, token="secret", retry_seconds=0).upload(video)
    assert len(list(records.iterdir())) == 1
    server.replies = [queued]
    assert client.upload(video).state == "queued"
    assert requests(server) == [BEGIN, COMPLETE, BEGIN]
    assert list(records.iterdir()) == []


@pytest.mark.parametrize("lost_at", [BEGIN, COMPLETE])
def test_an_upload_that_is_gone_begins_anew_with_another_key(
    client: Client, server: WrittenAnswers, store: WrittenAnswers, queued: Reply, video: Path, lost_at: str
) -> None:
    server.replies = [begun(store.url)]
    interrupt(client, video, Killed())
    gone = reply(410, {"code": "upload_deleted"})
    before = [gone] if lost_at == BEGIN else [begun(store.url, received=[1, 2, 3], parts=[]), gone]
    server.replies = [*before, begun(f"{store.url}/later"), queued]
    client.upload(video)
    assert sent_later(store) == [f"PUT /later/{number}" for number in (1, 2, 3)]
    assert [keys(server)[0] == key for key in keys(server)] == [True, True, False]


def test_an_upload_that_is_sent_in_another_way_is_abandoned_and_not_continued(
    client: Client, server: WrittenAnswers, queued: Reply, video: Path, records: Path, _no_pause: None
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    server.by_request[PARTS] = reply(200, {"parts": signed(address, range(1, 4)), "expires_in": 900})
    server.replies = [begun(address), Reply(204), queued]
    client.upload(video)
    assert requests(server) == [BEGIN, ABANDON, "POST /upload"]
    assert list(records.iterdir()) == []


@pytest.mark.parametrize(("error", "is_kept"), [(OSError("disk"), True), (FileChanged("shorter"), False)])
def test_an_upload_is_kept_after_an_error_unless_its_file_has_changed(
    client: Client,
    server: WrittenAnswers,
    store: WrittenAnswers,
    video: Path,
    records: Path,
    error: BaseException,
    *,
    is_kept: bool,
) -> None:
    server.replies = [begun(store.url), Reply(204)]
    interrupt(client, video, error)
    assert requests(server) == ([BEGIN] if is_kept else [BEGIN, ABANDON])
    assert bool(list(records.iterdir())) == is_kept
